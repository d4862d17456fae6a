"""The small frames that expectations judge: loads and days of usage, and drafts.

They are made by SQL over what came since documents were last issued; raw events are counted in
DuckDB and never leave it. Every number is whole; a percent is rounded down.
"""

from datetime import timedelta

import duckdb
import polars as pl

from meterhouse.duck import identifier, literal
from meterhouse.run.quarantine import OPEN
from meterhouse.run.suites import NULL_PERCENT, SuiteFile
from meterhouse.schema import PROPERTY_PREFIX

DRAFTS = "select * exclude (content) from billing.drafts order by draft_id"
# Days without any event are looked for this far behind the newest one that came.
GAP_DAYS = 35
WEEK = timedelta(days=7)
# With fewer events a week before, a percentage says nothing.
ENOUGH = 100
NOTHING = {
    "loads": "no file was loaded since documents were last issued",
    "days": "no usage came since documents were last issued",
    "drafts": "the run made no drafts",
}
METERS = """
with delivered as (
    select distinct source, event_type from facts.usage_events where batch_seq > {since}
    union
    select distinct source, event_type from facts.rejected_events where batch_seq > {since}
)
select distinct source, meter_id
from delivered join book.meters as meters using (event_type) order by all
"""


def frames(db: duckdb.DuckDBPyConnection, files: list[SuiteFile]) -> dict[str, pl.DataFrame]:
    """The frames that the suites ask for, each made once."""
    made = {"loads": loads, "days": days, "drafts": drafts}
    return {kind: made[kind](db) for kind in sorted({file.suite.batch for file in files})}


def drafts(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per draft of the run, without its content."""
    return db.sql(DRAFTS).pl()


def loads(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per file loaded since documents were last issued, with what it brought."""
    since = _since(db)
    nulls = "".join(f", {sql} as {identifier(name)}" for name, sql in _null_percents(db).items())
    return db.sql(
        f"""
        with waiting as (
            select batch_seq, count(*) as open from ({OPEN}) where batch_seq > {since}
            group by batch_seq
        ),
        brought as (
            select batch_seq, count(distinct customer_id) as customers,
                min(event_day) as first, max(event_day) as last{nulls}
            from facts.usage_events where batch_seq > {since} and action is distinct from 'void'
            group by batch_seq
        )
        select
            batch_seq, source, name, received, accepted, duplicate, conflict, quarantined,
            coalesce(open, 0) as open, 100 * coalesce(open, 0) // greatest(received, 1)
                as open_percent,
            100 * duplicate // greatest(received, 1) as duplicate_percent,
            100 * conflict // greatest(received, 1) as conflict_percent,
            first::varchar as first_day, last::varchar as last_day, last - first + 1 as span_days,
            coalesce(customers, 0) as customers,
            brought.* exclude (batch_seq, customers, first, last)
        from facts.batches
        left join waiting using (batch_seq)
        left join brought using (batch_seq)
        where kind = 'file' and batch_seq > {since}
        order by batch_seq
        """
    ).pl()


def days(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per source and day that new usage touched, and per silent day between them.

    `change_percent` compares with the same weekday a week before. It is null for the newest day of
    a source, which may still be filling, and where fewer than ENOUGH events stood to compare with.
    """
    touched = db.sql(
        "select source, event_day, count(*)::bigint as new_events from facts.usage_events "
        f"where batch_seq > {_since(db)} and replaces_seq is null group by all"
    ).pl()
    wanted = touched.join(_between(touched), on=["source", "event_day"], how="full", coalesce=True)
    known = _counted(db, wanted)
    before = known.select("source", pl.col("event_day") + WEEK, events_week_before=pl.col("events"))
    newest = touched.group_by("source").agg(newest=pl.col("event_day").max())
    change = 100 * (pl.col("events") - pl.col("events_week_before")) // pl.col("events_week_before")
    is_settled = (pl.col("events_week_before") >= ENOUGH) & (pl.col("event_day") < pl.col("newest"))
    return (
        wanted.join(known, on=["source", "event_day"], how="left")
        .join(before, on=["source", "event_day"], how="left")
        .join(newest, on="source")
        .with_columns(pl.col("new_events", "events", "events_week_before").fill_null(0))
        .filter((pl.col("events") > 0) | (pl.col("events_week_before") > 0))
        .with_columns(change_percent=pl.when(is_settled).then(change))
        .sort("source", "event_day")
        .select(
            "source",
            pl.col("event_day").cast(pl.String),
            *("events", "new_events", "events_week_before", "change_percent"),
        )
    )


def meters_of(db: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Source to the meters that read an event type which it delivered lately."""
    found: dict[str, tuple[str, ...]] = {}
    for source, meter in db.execute(METERS.format(since=_since(db))).fetchall():
        found[source] = (*found.get(source, ()), meter)
    return found


def _since(db: duckdb.DuckDBPyConnection) -> int:
    """The last batch that issued documents knew; as a literal it lets whole files be skipped."""
    row = db.execute("select coalesce(max(known_at), 0) from facts.documents").fetchone()
    return int(row[0]) if row else 0


def _null_percents(db: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Column to SQL: how many percent of the events that could carry a property lack it."""
    given = {row[0] for row in db.execute("describe facts.usage_events").fetchall()}
    rows = db.execute(
        "select name, list(distinct event_type order by event_type) from book.properties "
        "group by name order by name"
    ).fetchall()
    found = {}
    for name, types in rows:
        column = PROPERTY_PREFIX + name
        if column in given:
            could = f"event_type in ({', '.join(map(literal, types))})"
            found[NULL_PERCENT + name] = (
                f"100 * count(*) filter ({could} and {identifier(column)} is null) "
                f"// nullif(count(*) filter ({could}), 0)"
            )
    return found


def _between(touched: pl.DataFrame) -> pl.DataFrame:
    """Every day of a source from its first touched one, or GAP_DAYS back, to its newest."""
    newest = pl.col("event_day").max()
    spans = touched.group_by("source").agg(
        first=pl.max_horizontal(pl.col("event_day").min(), newest - timedelta(days=GAP_DAYS)),
        last=newest,
    )
    return spans.select("source", event_day=pl.date_ranges("first", "last")).explode("event_day")


def _counted(db: duckdb.DuckDBPyConnection, wanted: pl.DataFrame) -> pl.DataFrame:
    """Events of the wanted days and of those a week before; an amended event counts once, a voided
    one not at all."""
    asked = pl.concat([wanted["event_day"], wanted["event_day"] - WEEK]).unique().sort()
    listed = ", ".join(f"date '{day.isoformat()}'" for day in asked.to_list())
    where = f"event_day in ({listed})" if listed else "false"
    return db.sql(
        "select source, event_day, count(*)::bigint as events from facts.usage_events as events "
        "anti join (select replaces_seq, replaces_row from facts.usage_events "
        "where replaces_seq is not null) as newer "
        "on newer.replaces_seq = events.batch_seq and newer.replaces_row = events.row_no "
        f"where {where} and action is distinct from 'void' group by all"
    ).pl()
