"""Count again, in another way, the events of the windows that this run measured from events.

Every accepted record counts, and one that replaced or voided it takes the older away: measuring
passes over the older instead. Only the windows in ops.asks are read, so the cost follows the new.
"""

from typing import Any

import duckdb

from meterhouse.duck import literal
from meterhouse.run.meter_rules import SCHEMA

# Temp table measured_again: one row per window and dimensions, what is recorded and what is found.
AGAIN = """
create or replace temp table measured_again as
with parts as ({found}),
-- The parts of a split window are one measure.
found as (
    select window_id, dimensions, sum(events)::bigint as events, bool_or(is_wrong) as is_wrong
    from parts group by window_id, dimensions
)
select window_id, dimensions, coalesce(measured.event_count, 0) as recorded,
    coalesce(found.events, 0) as events,
    -- The number itself, where it can be told from events one by one.
    coalesce(found.is_wrong, false) as is_wrong
from found
full join (
    select * from usage.measured semi join ops.asks using (window_id)
) as measured using (window_id, dimensions)
"""
EMPTY = (
    "select null::varchar as window_id, null::varchar as dimensions, null::bigint as events, "
    "null::boolean as is_wrong limit 0"
)
FOUND = """
select window_id, dimensions, sum(sign)::bigint as events, {wrong} as is_wrong
from (
    select asks.window_id, {dimensions} as dimensions, events.sign, {value} as value
    from (
        select *, 1 as sign from facts.usage_events where {which}
        union all by name
        select older.*, -1 as sign
        from ops.restated as newer
        join (select * from facts.usage_events where {which}) as older
            on older.batch_seq = newer.replaces_seq and older.row_no = newer.replaces_row
    ) as events
    join (
        select * replace (greatest(window_start, read_from) as window_start)
        from ops.ask_readers where meter_no = {number}
    ) as asks
        on asks.customer_id = events.customer_id
        and events.{at} >= asks.window_start and events.{at} < asks.read_to
    where ({filter})
) as events
left join usage.measured as measured using (window_id, dimensions)
group by window_id, dimensions
having sum(sign) <> 0
"""
NUMERATOR = "any_value(measured.numerator)"
BEYOND = "coalesce(sum(sign) filter (value {} measured.numerator), 0) <> 0"
NOT_ONE = "coalesce(sum(sign) filter (value = measured.numerator), 0) = 0 and count(value) > 0"
TOTAL = f"coalesce(sum(sign * value), 0) <> coalesce({NUMERATOR}, 0)"
# Per aggregation when the recorded number cannot be what the events of the window say.
WRONG = {
    "count": TOTAL,
    "sum": TOTAL,
    "avg": TOTAL,
    "max": f"({BEYOND.format('>')}) or ({NOT_ONE})",
    "min": f"({BEYOND.format('<')}) or ({NOT_ONE})",
}


def measure_again(db: duckdb.DuckDBPyConnection) -> None:
    """Make temp table measured_again for the check of that name."""
    rules = db.sql(
        f"select {', '.join(SCHEMA)} from ops.meter_rules "
        "where meter_no in (select meter_no from ops.asks) order by meter_no"
    ).pl()
    days = db.execute(
        "select min(window_start)::date::varchar, max(window_end)::date::varchar from ops.asks"
    ).fetchone()
    found = [_found(rule, days) for rule in rules.to_dicts()]
    db.execute(AGAIN.format(found=" union all ".join(found) or EMPTY))


def _found(rule: dict[str, Any], days: tuple[Any, ...] | None) -> str:
    kind = rule["aggregation"]
    is_received = rule["clock"] == "received"
    which = f"event_type = {literal(rule['event_type'])} and action is distinct from 'void'"
    if days is not None and not is_received:
        which += f" and event_day between date '{days[0]}' and date '{days[1]}'"
    # A split window has its parts measured by several versions: only events can be compared.
    has_number = rule["bucket"] is None and not rule["recurring"] and not rule["is_split"]
    return FOUND.format(
        wrong=WRONG.get(kind, "false") if has_number else "false",
        dimensions=rule["dimensions_sql"],
        value=rule["value_sql"],
        which=which,
        number=int(rule["meter_no"]),
        at="received_at" if is_received else "occurred_at",
        filter=rule["filter_sql"],
    )
