"""What sources state of their days, as facts; compared with the lake by completeness_check.py.

A statement is recorded only where it says something new, so an idle run moves no pin. A source that
cannot be asked fails the run as one that cannot be read does: what all others stated is kept, and
the next run asks again. To bill without having asked would issue what may be incomplete.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import polars as pl

from connectors.protocols import Statement, StatesTotals
from meterhouse.errors import SourceRejected, SourceUnavailable, UsageError
from meterhouse.lake import Commit, Lake
from meterhouse.nearest import did_you_mean
from meterhouse.run.sources import open_source
from meterhouse.schema import PROPERTY_PREFIX
from meterhouse.source_settings import Completeness

# Totals are DECIMAL(38, 12).
PLACES = Decimal("1e-12")
MOST = Decimal("1e26")
NEWEST = """
select * from {facts}source_statements
qualify row_number() over (partition by source, event_day order by batch_seq desc, row_no desc) = 1
"""
NEW = f"""
select asked.*, ?::timestamptz as stated_at
from asked left join ({NEWEST.format(facts="lake.facts.")}) as known
    on known.source = asked.source and known.event_day = asked.event_day
where known.source is null
    or known.events <> asked.events
    or known.property is distinct from asked.property
    or known.total is distinct from asked.total
order by asked.source, asked.event_day
"""


@dataclass(frozen=True)
class Stated:
    """One new statement of a source; `total` is the sum of `property`, both None where none is."""

    source: str
    event_day: date
    events: int
    property: str | None
    total: Decimal | None


def record_statements(lake: Lake) -> list[Stated]:
    """Ask every source that states totals for its settled days; returns what was new.

    All sources are asked before the first fault is raised.
    """
    today = lake.settings.now().date()
    stated: list[Stated] = []
    faults: list[SourceRejected | SourceUnavailable] = []
    for name, source in sorted(lake.settings.file.sources.items()):
        if source.completeness is not None:
            try:
                stated += _asked(lake, name, source.completeness, today)
            except (SourceRejected, SourceUnavailable) as error:
                faults.append(error)
    new = _recorded(lake, stated) if stated else []
    if faults:  # a final fault before one that another try may not meet
        raise min(faults, key=lambda one: isinstance(one, SourceUnavailable))
    return new


def _asked(lake: Lake, name: str, plan: Completeness, today: date) -> list[Stated]:
    connector = open_source(lake.settings, name)
    if not isinstance(connector, StatesTotals):
        raise UsageError(
            f"Source {name!r} has completeness settings, but its connector cannot state totals; "
            "take the section `completeness` away."
        )
    first, last = today - timedelta(days=plan.days), today - timedelta(days=plan.settled_days)
    return list(_checked(name, plan.property, connector.stated(first, last)))


def _checked(name: str, wanted: str | None, found: Iterator[Statement]) -> Iterator[Stated]:
    """The statements with the sum that the settings ask for, and no other."""
    for one in found:
        if wanted is None:
            yield Stated(name, one.day, one.events, None, None)
            continue
        if one.total is None:
            raise SourceRejected(
                name, f"states no sum of {wanted} for {one.day}, and the settings name that sum"
            )
        if abs(one.total) >= MOST or one.total != one.total.quantize(PLACES):
            raise SourceRejected(
                name,
                f"states {one.total} as the sum of {wanted} for {one.day}; at most 26 digits "
                "before the point and 12 behind it can be compared",
            )
        yield Stated(name, one.day, one.events, wanted, one.total)


def _recorded(lake: Lake, stated: list[Stated]) -> list[Stated]:
    with lake.write_lock.held(), lake.session() as db:
        _check_properties(lake, db, stated)
        _stage(db, stated)
        new = [Stated(*row[:5]) for row in db.execute(NEW, [lake.settings.now()]).fetchall()]
        if new:

            def write(commit: Commit) -> int:
                return commit.append("source_statements", NEW, [lake.settings.now()])

            lake.commit(db, write)
    return new


def _check_properties(lake: Lake, db: duckdb.DuckDBPyConnection, stated: list[Stated]) -> None:
    columns = lake.columns(db, "usage_events")
    numbers = {
        column.removeprefix(PROPERTY_PREFIX)
        for column, kind in columns.items()
        if column.startswith(PROPERTY_PREFIX) and kind.upper().startswith("DECIMAL")
    }
    named = {one.property: one.source for one in stated if one.property is not None}
    for name in sorted(named.keys() - numbers):
        hint = did_you_mean(name, numbers) or "."
        raise UsageError(
            f"Source {named[name]!r} is to state sums of {name!r}, which is no number of any "
            f"event type in the book{hint} Set completeness.property to one that is; usage was "
            "loaded, nothing was billed."
        )


def _stage(db: duckdb.DuckDBPyConnection, stated: list[Stated]) -> None:
    frame = pl.DataFrame(
        [(s.source, s.event_day, s.events, s.property, str(s.total or 0)) for s in stated],
        schema={
            "source": pl.String,
            "event_day": pl.Date,
            "events": pl.Int64,
            "property": pl.String,
            "total": pl.String,
        },
        orient="row",
    )
    db.register("frame_in", frame.to_arrow())
    db.execute(
        "create or replace temp table asked as select * replace ("
        "case when property is not null then cast(total as decimal(38, 12)) end as total"
        ") from frame_in"
    )
    db.unregister("frame_in")
