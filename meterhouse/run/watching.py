"""Watching: sources that are late, usage that fell to nothing or leapt. It warns and never blocks.

What is late or strange is said once, by the views `staging.stg_watch__*`: the checks here and the
marts reporting.source_lateness and reporting.usage_anomalies read the same rows. The thresholds
reach them through ops.watch, the days on which sources delivered through ops.source_days.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import short_hash
from meterhouse.run.context import Run
from meterhouse.run.invariants import Check
from meterhouse.run.publishing import PIN
from meterhouse.warehouse import pin_table
from meterhouse.watch_settings import Watch

TABLE = "ops.watch"
TUNE = "Thresholds, and how to silence this: section watch of meterhouse.yaml."


def plain(number: str) -> str:
    """SQL of a decimal as a person writes it: 7.5, 100."""
    return rf"regexp_replace(cast({number} as varchar), '\.?0+$', '')"


WATCHES = (
    Check(
        "sources_are_on_time",
        "source",
        False,
        "a source is silent for no longer than is usual",
        f"Look at what sends or fetches its events. {TUNE}",
        """
        select source as scope_id, '0 days late' as expected,
            case when last_event_day is null then 'no event' else days_late || ' days late' end
                as actual,
            case when last_event_day is null then 'it should bring events every '
                    || usual_gap_days || ' days and never brought any'
                else status || ' on ' || judged_on || ': last events of ' || last_event_day || ', '
                    || gap_so_far_days || ' days before, where '
                    || case when expected_every_days is null
                        then 'no more than ' || usual_gap_days || ' are usual for it'
                        else usual_gap_days || ' are set' end
                end as detail
        from staging.stg_watch__sources
        where status in ('late', 'stopped')
        union all
        select source, 'on time', 'on time', 'source' from staging.stg_watch__sources
        where status = 'on_time'
        """,
    ),
    Check(
        "usage_does_not_drop_to_zero",
        "customer",
        False,
        "a meter that the customer used regularly is still used",
        f"Ask whoever sends the events whether they are missing. {TUNE}",
        f"""
        select customer_id as scope_id, 0 as expected, count(*) as actual,
            string_agg(
                'meter ' || meter_id || ': used on ' || used_days || ' of the ' || of_days
                || ' days up to ' || last_day || ', ' || {plain("median_quantity")}
                || ' a day in the median, then nothing for ' || silent_days || ' days',
                '; ' order by meter_id
            ) as detail
        from staging.stg_watch__drops where status = 'open'
        group by customer_id
        """,
    ),
    Check(
        "usage_does_not_spike",
        "customer",
        False,
        "no day of a meter is far above the customer's days before it",
        f"Look at the day's events before it is billed: `meterhouse events list`. {TUNE}",
        f"""
        select customer_id as scope_id, 0 as expected, count(*) as actual,
            string_agg(
                'meter ' || meter_id || ': ' || {plain("quantity")} || ' on ' || local_day || ', '
                || factor || ' times the median of ' || {plain("median_quantity")} || ' on '
                || used_days || ' used days of the ' || of_days || ' before',
                '; ' order by meter_id
            ) as detail
        from staging.stg_watch__spikes where status = 'open'
        group by customer_id
        """,
    ),
    Check(
        "watch_names_what_there_is",
        "run",
        False,
        "section watch of meterhouse.yaml names only what the home knows",
        "Correct the names: as they stand they watch and silence nothing.",
        """
        select 'run' as scope_id, 0 as expected, count(*) as actual,
            coalesce(string_agg(unknown_name, ', ' order by unknown_name), 'names') as detail
        from ops.watch where unknown_name is not null
        """,
    ),
)


def prepare_watch(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Bring ops.source_days up to what the run knows, and ops.watch to what the settings say."""
    _count_days(run, db)
    _write_thresholds(run, db)


def _count_days(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Only the files of new batches are read; what a later run counted is forgotten."""
    db.execute("delete from ops.source_days where counted_to > ?", [run.known_at])
    row = db.execute("select coalesce(max(counted_to), 0) from ops.source_days").fetchone()
    done = int(row[0]) if row else 0
    db.execute("begin")
    db.execute(
        f"""
        create or replace table ops.source_days as
        select source, event_type, event_day, sum(events)::bigint as events,
            {int(run.known_at)}::bigint as counted_to
        from (
            select source, event_type, event_day, events from ops.source_days
            union all
            select source, event_type, event_day, count(*) from facts.usage_events
            where batch_seq > {done}
            group by all
        )
        group by source, event_type, event_day
        """
    )
    db.execute("commit")


def _write_thresholds(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Replace ops.watch; where it says something new, the marts are to be built again."""
    settings = run.lake.settings.file
    meters = _names(db, "select distinct meter_id from book.meters")
    ignored = _names(
        db,
        "select distinct customer_id from book.customers where list_contains(?, customer_id)",
        [list(settings.watch.ignore.customers)],
    )
    rows = [*_rows(settings.watch, sorted(settings.sources), meters, ignored)]
    columns = {row[0]: row[1] for row in db.execute(f"describe {TABLE}").fetchall()}
    frame = pl.DataFrame(
        [[_text(row.get(name)) for name in columns] for row in rows],
        schema=dict.fromkeys(columns, pl.String),
        orient="row",
    )
    version = f"{TABLE} {short_hash(frame.rows())}"
    known = db.execute("select 1 from ops.pins where table_name = ?", [version]).fetchone()
    casts = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in columns.items())
    db.register("frame_in", frame.to_arrow())
    db.execute("begin")
    db.execute(f"create or replace table {TABLE} as select {casts} from frame_in")
    if known is None:
        db.execute(
            "delete from ops.pins where table_name = ? or starts_with(table_name, ?)",
            [PIN, f"{TABLE} "],
        )
    # Readers' copies are made anew where a pin is new: the thresholds are named by their hash.
    pin_table(db, version, frame.height)
    db.execute("commit")
    db.unregister("frame_in")


def _rows(
    watch: Watch, sources: list[str], meters: list[str], ignored: list[str]
) -> Iterator[dict[str, Any]]:
    """One row per source, meter, ignored customer, and name that nobody knows."""
    for source in sources:
        own = watch.sources.get(source)
        yield {
            "source": source,
            "is_ignored": source in watch.ignore.sources,
            "expected_every_days": own.expected_every_days if own else None,
            **watch.late.model_dump(),
        }
    for meter_id in meters:
        drop, spike = watch.drop_of(meter_id), watch.spike_of(meter_id)
        yield {
            "meter_id": meter_id,
            "is_ignored": meter_id in watch.ignore.meters,
            "new_customer_days": watch.new_customer_days,
            **{f"drop_{name}": value for name, value in drop.model_dump().items()},
            **{f"spike_{name}": value for name, value in spike.model_dump().items()},
        }
    yield from ({"customer_id": customer_id, "is_ignored": True} for customer_id in ignored)
    yield from ({"unknown_name": name} for name in _unknown(watch, sources, meters, ignored))


def _unknown(watch: Watch, sources: list[str], meters: list[str], ignored: list[str]) -> list[str]:
    """Names in the settings that are no source, meter or customer, with what they should be."""
    named = {
        "source": ({*watch.sources, *watch.ignore.sources}, sources),
        "meter": ({*watch.meters, *watch.ignore.meters}, meters),
        "customer": ({*watch.ignore.customers}, ignored),
    }
    return [
        f"{kind} {name!r}"
        for kind, (names, known) in named.items()
        for name in sorted(names - {*known})
    ]


def _names(db: duckdb.DuckDBPyConnection, query: str, parameters: Iterable[Any] = ()) -> list[str]:
    return sorted(row[0] for row in db.execute(query, list(parameters)).fetchall())


def _text(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
