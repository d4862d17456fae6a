"""What sources stated against what the lake holds: one row per source and meter that reads it.

Counted are accepted events in force: of an amended event the newest version, on the day of that
version; of a voided one nothing. Only stated days are read, and of those again only the ones that
new batches touched: ops.stated_days and ops.held_days keep what was counted before. When it cannot
be told which meters read a source, because nothing of it is in the lake, a difference stands for
all of them.
"""

import duckdb
import polars as pl

from meterhouse.duck import identifier, literal
from meterhouse.run.completeness import NEWEST
from meterhouse.run.conflicts import OPEN as CONFLICTS
from meterhouse.run.quarantine import OPEN
from meterhouse.schema import PROPERTY_PREFIX
from meterhouse.source_settings import Source

TABLE = "source_completeness"
# Days that batches since the last count touched, be it that an event of theirs was replaced.
TOUCHED = """
with new as (
    select source, event_day, replaces_seq, replaces_row from facts.usage_events
    where batch_seq > {since}
)
select source, event_day from new
union
select old.source, old.event_day from facts.usage_events as old
join new on old.batch_seq = new.replaces_seq and old.row_no = new.replaces_row
"""

# Where no source states anything; what was counted is of days that nobody states now.
NOTHING = f"""
delete from ops.stated_days;
delete from ops.held_days;
create or replace temp table {TABLE} (
    scope_id varchar, expected varchar, actual varchar, detail varchar
)
"""


def compare(db: duckdb.DuckDBPyConnection, sources: dict[str, Source], known_at: int) -> None:
    """Make temp table `source_completeness`: scope_id (a meter), expected, actual, detail."""
    db.execute(f"create or replace temp table stated as {NEWEST.format(facts='facts.')}")
    if db.execute("select 1 from stated limit 1").fetchone() is None:
        db.execute(NOTHING)
        return
    _find_stale(db, known_at)
    db.execute("begin")
    _count(db)
    db.execute(
        "create or replace table ops.stated_days as select source, event_day, events, property, "
        f"total, {int(known_at)}::bigint as counted_to from stated order by all"
    )
    db.execute("commit")
    _deliveries(db, sources)
    db.execute(f"create or replace temp table {TABLE} as {_verdicts()}")


def _find_stale(db: duckdb.DuckDBPyConnection, known_at: int) -> None:
    """Temp table `stale`: the stated days that were not counted, or not as they are now."""
    row = db.execute("select min(counted_to), max(counted_to) from ops.stated_days").fetchone()
    since, newest = row or (None, None)
    if since is None or newest > known_at:
        db.execute("create or replace temp table stale as select * from stated")
        return
    db.execute(
        f"""
        create or replace temp table stale as
        with touched as ({TOUCHED.format(since=int(since))})
        select stated.* from stated
        left join ops.stated_days as counted
            on counted.source = stated.source and counted.event_day = stated.event_day
        left join touched
            on touched.source = stated.source and touched.event_day = stated.event_day
        where counted.source is null or touched.source is not null
            or counted.property is distinct from stated.property
        """
    )


def _count(db: duckdb.DuckDBPyConnection) -> None:
    """Replace the stale days of ops.held_days: events and sum per source, day and event type."""
    db.execute(
        "delete from ops.held_days where (source, event_day) not in "
        "(select source, event_day from stated anti join stale using (source, event_day))"
    )
    days = db.execute("select distinct event_day from stale order by 1").fetchall()
    if not days:
        return
    # Days as literals let DuckLake pass over the files of all others.
    listed = ", ".join(f"date {literal(day.isoformat())}" for (day,) in days)
    db.execute(
        f"""
        insert into ops.held_days
        with replaced as (
            select replaces_seq as batch_seq, replaces_row as row_no from facts.usage_events
            where replaces_seq is not null
        )
        select events.source, events.event_day, events.event_type, count(*) as events,
            coalesce(sum({_value(db)}), 0)::decimal(38, 12) as total
        from facts.usage_events as events
        join stale on stale.source = events.source and stale.event_day = events.event_day
        anti join replaced
            on replaced.batch_seq = events.batch_seq and replaced.row_no = events.row_no
        where events.event_day in ({listed}) and events.action is distinct from 'void'
        group by all
        """
    )


def _value(db: duckdb.DuckDBPyConnection) -> str:
    """The number of an event that the source of `stale` adds up, as SQL."""
    named = db.execute("select distinct property from stale where property is not null").fetchall()
    columns = {row[0] for row in db.execute("describe facts.usage_events").fetchall()}
    sums = " ".join(
        f"when {literal(name)} then {identifier(PROPERTY_PREFIX + name)}::decimal(38, 12)"
        for (name,) in named
        if PROPERTY_PREFIX + name in columns
    )
    return f"case stale.property {sums} end" if sums else "null::decimal(38, 12)"


def _deliveries(db: duckdb.DuckDBPyConnection, sources: dict[str, Source]) -> None:
    """Temp table `readers`: which meter reads which source that made a statement."""
    constant = pl.DataFrame(
        [(name, one.map.type.value) for name, one in sources.items() if one.map.type.value],
        schema={"source": pl.String, "event_type": pl.String},
        orient="row",
    )
    db.register("frame_in", constant.to_arrow())
    db.execute(
        f"""
        create or replace temp table readers as
        with delivered as (
            select source, event_type from ops.held_days
            union
            select source, event_type from ({OPEN})
            union
            select source, event_type from frame_in
        ),
        known as (
            select distinct source, meter_id
            from delivered join book.meters as meters using (event_type)
            semi join stated using (source)
        )
        select * from known
        union all
        select distinct stated.source, meters.meter_id
        from stated anti join known using (source) cross join book.meters as meters
        """
    )
    db.unregister("frame_in")


def _verdicts() -> str:
    """Sides as text with all their digits; of several days that differ the first is told."""
    return f"""
        with days as (
            select source, event_day, sum(events) as events, sum(total) as total
            from ops.held_days group by all
        ),
        sides as (
            select stated.source, stated.event_day,
                {_side("stated.events", "stated.total")} as expected,
                {_side("coalesce(days.events, 0)", "coalesce(days.total, 0)")} as actual
            from stated left join days
                on days.source = stated.source and days.event_day = stated.event_day
        ),
        judged as (
            select source, count(*) as days,
                min(event_day) filter (expected <> actual) as first_day,
                count(*) filter (expected <> actual) as differing
            from sides group by source
        ),
        waiting as (
            select source, count(*) as quarantined from ({OPEN}) group by source
        ),
        contested as (
            select source, count(*) as conflicts from ({CONFLICTS}) group by source
        )
        select readers.meter_id as scope_id,
            coalesce(sides.expected, judged.days || ' days') as expected,
            coalesce(sides.actual, judged.days || ' days') as actual,
            case when sides.source is null then 'source ' || judged.source
                else 'source ' || judged.source || ' on ' || judged.first_day || ', the first of '
                    || judged.differing || ' days that differ; '
                    || coalesce(quarantined, 0) || ' events of it wait in quarantine, '
                    || coalesce(conflicts, 0) || ' in conflict' end as detail
        from judged
        join readers using (source)
        left join sides
            on sides.source = judged.source and sides.event_day = judged.first_day
        left join waiting on waiting.source = judged.source
        left join contested on contested.source = judged.source
        order by all
    """


def _side(events: str, total: str) -> str:
    plain = rf"regexp_replace(cast({total} as varchar), '\.?0+$', '')"
    return (
        f"cast({events} as varchar) || ' events' || case when stated.property is not null "
        f"then ' with ' || {plain} || ' ' || stated.property else '' end"
    )
