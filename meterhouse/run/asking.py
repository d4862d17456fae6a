"""Plan which windows are measured from their events: all that no sum of whole days can tell.

`ops.wanted_asks` has every such window under the newest book; `ops.asks` those of them whose
measure is not known or was touched by an event that came since. A window is one ask, or where a
meter says `split` one for each definition that is in force in it.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb
import polars as pl

from meterhouse.periods import INSTANT, local_instants, zone_offsets
from meterhouse.run.context import Run
from meterhouse.run.measuring import Relations, measured_sql
from meterhouse.run.pooling import OF_POOLS, make_readers

ALWAYS = "timestamptz '0001-01-01 00:00:00+00'"
# The windows that are billed; what runs beside them has names of its own.
BILLED = """
    select windows.*, case when usage_of is not null then window_id end as pool_id, rules.meter_no
    from billing.charge_windows as windows
    join ops.meter_rules as rules
        on rules.meter_id = windows.meter_id and rules.meter_version = windows.meter_version
    where windows.component = 'usage' and rules.aggregation <> 'sql'
        and (not rules.is_additive or not windows.is_whole_days)
"""
WANTED = """
create or replace table ops.{name}wanted_asks as
with windows as ({windows}),
parts as (
    select windows.* exclude (meter_no), rules.meter_no, rules.event_type, rules.recurring,
        greatest(rules.slot_from, windows.window_start_on) as part_from,
        least(rules.slot_to, windows.window_end_on) as part_to
    from windows
    join ops.meter_rules as first using (meter_no)
    join ops.meter_rules as rules
        on rules.meter_id = first.meter_id and (
            rules.meter_no = first.meter_no
            or (first.is_split and rules.is_split and rules.slot_from > windows.window_start_on)
        )
        and rules.slot_from < windows.window_end_on
),
cut as (
    select parts.*,
        -- The first definition holds from the window's start, however late in its slot that is.
        part_from > window_start_on as is_later_part,
        lead(part_from) over (partition by window_id order by part_from) as next_from
    from parts
),
timed as (
    select cut.* replace (
            case when is_later_part then opening.starts_at else window_start end as window_start,
            coalesce(closing.starts_at, window_end) as window_end,
            case when is_later_part then part_from else window_start_on end as window_start_on,
            coalesce(next_from, window_end_on) as window_end_on
        ),
        -- A contract that ends later in its last day uses that day too.
        next_from is null and window_end_seconds > cut.day_seconds as ends_after_midnight
    from cut
    left join ops.part_starts as opening on opening.zone = cut.zone
        and opening.day = part_from and opening.day_seconds = cut.day_seconds
    left join ops.part_starts as closing on closing.zone = cut.zone
        and closing.day = next_from and closing.day_seconds = cut.day_seconds
),
asks as (
    select window_id, pool_id, meter_no, customer_id, event_type, zone, window_start, window_end,
        window_start_on, window_end_on + case when ends_after_midnight then 1 else 0 end
            as window_end_on, day_seconds,
        case when recurring then {always} else window_start end as read_from,
        epoch_us(period_end) - epoch_us(period_start) as period_us,
        cast(period_end_on - period_start_on as bigint) as period_days
    from timed
),
-- A pool is measured again where another customer is in it, or for another time.
members as (
    select window_id as pool_id, md5(string_agg(
        concat_ws('|', customer_id, epoch_us(read_from), epoch_us(read_to)), ','
        order by customer_id, read_from
    )) as members_hash
    from billing.window_members group by window_id
)
select asks.*, rules.* exclude (meter_no),
    md5(concat_ws('|', window_id, rules.meter_id, rules.meter_version, customer_id,
    asks.zone, epoch_us(window_start), epoch_us(window_end), window_start_on, window_end_on,
    period_us, period_days, day_seconds, members_hash)) as ask_hash
from asks left join members using (pool_id)
join (select meter_no, meter_id, meter_version, clock from ops.meter_rules) as rules
    using (meter_no)
"""
PART_DAYS = """
select distinct windows.zone, rules.slot_from as day, windows.day_seconds,
    cast(rules.slot_from as timestamp) + to_seconds(windows.day_seconds) as local
from billing.charge_windows as windows
join (
    -- A shadow is measured in the windows of the meter it runs beside.
    select coalesce(shadow_of, meter_id) as meter_id, slot_from from ops.meter_rules where is_split
) as rules using (meter_id)
where rules.slot_from > windows.window_start_on and rules.slot_from < windows.window_end_on
"""
# Days on which something new happened, by the clock of the event and by ours.
TOUCHED = """
create or replace temp table touched as
select distinct customer_id, event_type, event_day, cast(received_at as date) as received_day
from facts.usage_events
where batch_seq > {seq} and event_type in (select event_type from ops.{name}wanted_asks)
union
select older.customer_id, older.event_type, older.event_day, cast(older.received_at as date)
from (select * from ops.restated where batch_seq > {seq}) as newer
join facts.usage_events as older
    on older.batch_seq = newer.replaces_seq and older.row_no = newer.replaces_row
"""
ASKS = """
create or replace table ops.{name}asks as
with again as (
    select distinct wanted.window_id
    from (
        select window_id, customer_id, event_type, clock, read_from, window_end
        from ops.{name}wanted_asks where pool_id is null
        union all
        select wanted.window_id, members.customer_id, event_type, clock, wanted.read_from,
            wanted.window_end
        from ops.{name}wanted_asks as wanted
        join billing.window_members as members on members.window_id = wanted.pool_id
    ) as wanted
    join touched
        on touched.customer_id = wanted.customer_id and touched.event_type = wanted.event_type
        and case when wanted.clock = 'received' then touched.received_day else touched.event_day end
            between cast(wanted.read_from as date) and cast(wanted.window_end as date)
    union
    select window_id from ops.{name}wanted_asks
    anti join ops.{name}measured_asks using (window_id, ask_hash)
    union
    -- A part fewer than before changes the sum as well.
    select window_id from ops.{name}measured_asks semi join ops.{name}wanted_asks using (window_id)
    anti join ops.{name}wanted_asks using (window_id, ask_hash)
)
select row_number() over () as ask_no, wanted.*
from ops.{name}wanted_asks as wanted semi join again using (window_id)
"""


def plan_asks(run: Run, db: duckdb.DuckDBPyConnection, rules: Sequence[dict[str, Any]]) -> None:
    """Replace ops.wanted_asks, ops.asks and ops.measure, the statement that answers them."""
    statement = plan_named(db, rules, BILLED)
    db.execute("create or replace table ops.measure (statement varchar)")
    db.execute("insert into ops.measure values (?)", [statement])


def plan_named(
    db: duckdb.DuckDBPyConnection, rules: Sequence[dict[str, Any]], windows: str, name: str = ""
) -> str:
    """Replace ops.<name>wanted_asks, ops.<name>asks and ops.<name>ask_readers, the same once for
    each customer who is read; returns the statement that answers them.

    `windows` is a SELECT with the columns of billing.charge_windows, `meter_no` and `pool_id` (the
    id of the window whose members are read, null where it reads its customer alone); what is
    measured already is in ops.<name>measured_asks, as of the batch in ops.<name>measured_to.
    """
    _make_part_starts(db)
    db.execute(WANTED.format(name=name, windows=windows, always=ALWAYS))
    row = db.execute(f"select max(batch_seq) from ops.{name}measured_to").fetchone()
    done = int(row[0]) if row and row[0] is not None else 0
    # Where nothing was measured yet, every window is asked for, touched or not.
    db.execute(TOUCHED.format(seq=done, name=name) + ("" if done else "limit 0"))
    db.execute(ASKS.format(name=name))
    db.execute("drop table touched")
    table, readers = f"ops.{name}asks", f"ops.{name}ask_readers"
    make_readers(db, table, readers, OF_POOLS)
    asked = {row[0] for row in db.execute(f"select distinct meter_no from {table}").fetchall()}
    wanted = [rule for rule in rules if rule["meter_no"] in asked]
    return measured_sql(wanted, Relations(asks=table, readers=readers, days=_days(db, table)))


def _make_part_starts(db: duckdb.DuckDBPyConnection) -> None:
    """Replace ops.part_starts: when days begin on which a definition changes inside windows."""
    times = db.sql(PART_DAYS).pl()
    starts = pl.DataFrame(schema={**times.schema, "instant": INSTANT})
    if times.height:
        first, last = times["day"].min(), times["day"].max()
        spans = zone_offsets(times["zone"].unique().to_list(), first, last)  # type: ignore[arg-type]
        starts = local_instants(times, spans)
    db.register("frame_in", starts.to_arrow())
    db.execute(
        "create or replace table ops.part_starts as "
        "select zone, day, day_seconds, instant as starts_at from frame_in"
    )
    db.unregister("frame_in")


def _days(db: duckdb.DuckDBPyConnection, table: str) -> tuple[str, str] | None:
    """The days of the events that are asked for, so that DuckLake passes over other files."""
    days = asked_days(db, table)
    return days and (days[0].isoformat(), days[1].isoformat())


def asked_days(db: duckdb.DuckDBPyConnection, table: str) -> tuple[date, date] | None:
    """First and last event day that the asks of a table read, or None where nothing is asked.

    By the clock of receipt an event may be of any day.
    """
    row = db.execute(
        "select min(cast(read_from as date)), max(cast(window_end as date)), "
        f"bool_or(clock = 'received') from {table}"
    ).fetchone()
    if row is None or row[0] is None:
        return None
    first, last, is_any_day = row
    if is_any_day or not isinstance(first, date):
        return date.min, date.max
    return first, last
