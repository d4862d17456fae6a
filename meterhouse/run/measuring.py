"""Quantities straight from events: one statement for every aggregation, given what is asked.

An ask is one reading of one meter version: whose events, and from when until when. Relation
`readers` has a row for each ask and customer whose events are read (pooling.py makes it), relation
`asks` one for each ask: ask_no, customer_id, meter_no (of ops.meter_rules), event_type, zone,
window_start and window_end (instants, half-open), window_start_on and window_end_on (local days),
read_from (the instant from which events matter; long before the window where a level is carried
into it), of readers read_to (from when on they no longer do; at most the window's end), period_us,
period_days (length of the full period), day_seconds (after local midnight, when days begin). The
result has one row per ask and dimensions with anything in it: ask_no, dimensions, event_count
(inside the window), numerator decimal(38, 12) or null where no event had a value, denominator
hugeint. The measure is numerator / denominator.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from meterhouse.duck import literal

Rule = Mapping[str, Any]
EMPTY = (
    "select cast(null as bigint) as ask_no, cast(null as varchar) as dimensions, "
    "cast(null as bigint) as event_count, cast(null as decimal(38, 12)) as numerator, "
    "cast(null as hugeint) as denominator where false"
)
# What is added up, by aggregation; `value` is the event's value, null where it has none.
SIMPLE = {
    "count": "cast(count(*) as decimal(38, 12))",
    "sum": "sum(value)",
    "avg": "sum(value)",
    "min": "min(value)",
    "max": "max(value)",
    "latest": "arg_max(value, (happened_at, source, event_id)) filter (value is not null)",
    "weighted_sum": "sum(value * cast(epoch_us(window_end) "
    "- greatest(epoch_us(happened_at), epoch_us(window_start)) as decimal(18, 0)))",
    "prorated_sum": "sum(value * cast(window_end_on "
    "- greatest(local_day, window_start_on) as decimal(9, 0)))",
    "unique_count": "cast(nullif(count(distinct item), 0) as decimal(38, 12))",
}
DENOMINATORS = {
    "avg": "count(value)",
    "weighted_sum": "any_value(period_us)",
    "prorated_sum": "any_value(period_days)",
    "prorated_unique_count": "any_value(period_days)",
}
ASK = (
    "ask_no, window_start, window_end, window_start_on, window_end_on, period_us, period_days, "
    "day_seconds"
)
LOCAL = {"prorated_sum", "prorated_unique_count"}


class Relations:
    """Where a measure reads: events, older versions that were replaced, asks, offsets of zones."""

    def __init__(
        self,
        asks: str = "ops.asks",
        readers: str = "ops.ask_readers",
        events: str = "facts.usage_events",
        restated: str = "ops.restated",
        offsets: str = "usage.zone_offsets",
        days: tuple[str, str] | None = None,
        customers: Sequence[str] = (),
    ) -> None:
        self.asks, self.readers = asks, readers
        self.events, self.restated, self.offsets = events, restated, offsets
        self.days = days
        # Of few customers, so that files and row groups of all others are passed over.
        self.customers = customers


def measured_sql(rules: Sequence[Rule], relations: Relations) -> str:
    """The statement for the meter versions in `rules`; others that are asked for give no row."""
    families: dict[Callable[..., str], dict[str, list[Rule]]] = {}
    for rule in rules:
        if rule["aggregation"] != "sql":
            family = families.setdefault(_family(rule), {})
            family.setdefault(rule["aggregation"], []).append(rule)
    parts = [
        family(kind, same, relations)
        for family, kinds in families.items()
        for kind, same in kinds.items()
    ]
    return "\nunion all\n".join(parts) if parts else EMPTY


def _family(rule: Rule) -> Callable[..., str]:
    has_steps = rule["removes_sql"] != "false"
    if rule["bucket"] is not None:
        return _bucketed
    if rule["aggregation"] == "prorated_unique_count":
        return _active_days
    if rule["aggregation"] == "unique_count" and has_steps:
        return _last_steps
    return _percentile if rule["aggregation"] == "percentile" else _simple


def _simple(kind: str, rules: Sequence[Rule], relations: Relations) -> str:
    denominator = DENOMINATORS.get(kind, "1")
    return f"""
        select ask_no, dimensions, count(*) filter (happened_at >= window_start) as event_count,
            cast({SIMPLE[kind]} as decimal(38, 12)) as numerator,
            cast({denominator} as hugeint) as denominator
        from ({_read(rules, relations, is_local=kind in LOCAL)})
        group by ask_no, dimensions
        """


def _percentile(kind: str, rules: Sequence[Rule], relations: Relations) -> str:
    """Between the two values around (n - 1) x p, by the distance to each; in millionths."""
    return f"""
        select ask_no, dimensions, event_count,
            cast(value_list[place + 1] * cast(1000000 - rest as decimal(9, 0))
                + value_list[least(place + 2, len(value_list))] * cast(rest as decimal(9, 0))
                as decimal(38, 12)) as numerator,
            cast(1000000 as hugeint) as denominator
        from (
            select *, (len(value_list) - 1) * millionths // 1000000 as place,
                (len(value_list) - 1) * millionths % 1000000 as rest
            from (
                select ask_no, dimensions, count(*) as event_count,
                    list_sort(list(value) filter (value is not null)) as value_list,
                    any_value(millionths) as millionths
                from ({_read(rules, relations)}) group by ask_no, dimensions
            )
        )
        """


def _bucketed(kind: str, rules: Sequence[Rule], relations: Relations) -> str:
    """The aggregation in each local minute, hour or day, added up over those with a value."""
    return f"""
        select ask_no, dimensions, cast(sum(events) as bigint) as event_count,
            cast(sum(peak) as decimal(38, 12)) as numerator, cast(1 as hugeint) as denominator
        from (
            select ask_no, dimensions, bucket, count(*) as events, {SIMPLE[kind]} as peak
            from ({_read(rules, relations, is_local=True)})
            group by ask_no, dimensions, bucket
        )
        group by ask_no, dimensions
        """


def _item_days(rules: Sequence[Rule], relations: Relations) -> str:
    """One row per item and local day: whether it was added then, and how the day left it. Events
    without an item are one item of no name, which is never counted; what came before a window that
    starts inside a day belongs to days before."""
    return f"""
        select ask_no, dimensions, item,
            case when happened_at < window_start then least(local_day, window_start_on - 1)
                else local_day end as local_day,
            any_value(window_start_on) as window_start_on,
            any_value(window_end_on) as window_end_on, any_value(period_days) as period_days,
            count(*) filter (happened_at >= window_start) as events,
            bool_or(not removes) as has_add,
            not arg_max(removes, (happened_at, source, event_id)) as stays
        from ({_read(rules, relations, is_local=True)})
        group by 1, 2, 3, 4
        """


def _last_steps(kind: str, rules: Sequence[Rule], relations: Relations) -> str:
    """Items that the last step before the window's end left in."""
    return f"""
        select ask_no, dimensions, cast(sum(events) as bigint) as event_count,
            cast(case when count(item) > 0 then count(item) filter (stays) end
                as decimal(38, 12)) as numerator,
            cast(1 as hugeint) as denominator
        from (
            select ask_no, dimensions, item, sum(events) as events,
                arg_max(stays, local_day) as stays
            from ({_item_days(rules, relations)}) group by ask_no, dimensions, item
        )
        group by ask_no, dimensions
        """


def _active_days(kind: str, rules: Sequence[Rule], relations: Relations) -> str:
    """Days of the window on which an item was in at their start or was added; each day once."""
    return f"""
        select ask_no, dimensions, cast(sum(events) as bigint) as event_count,
            cast(sum(
                case when (was_in or has_add) and local_day >= window_start_on then 1 else 0 end
                + case when stays then greatest(0, least(coalesce(next_day, window_end_on),
                    window_end_on) - greatest(local_day + 1, window_start_on)) else 0 end
            ) filter (item is not null) as decimal(38, 12)) as numerator,
            cast(any_value(period_days) as hugeint) as denominator
        from (
            select *,
                coalesce(lag(stays) over item_in_order, false) as was_in,
                lead(local_day) over item_in_order as next_day
            from ({_item_days(rules, relations)})
            window item_in_order as (partition by ask_no, dimensions, item order by local_day)
        )
        group by ask_no, dimensions
        """


def read_sql(rules: Sequence[Rule], relations: Relations, also: Sequence[str] = ()) -> str:
    """The live events that the asks of these meters read: columns of the ask, happened_at, source,
    event_id, value, item, removes, dimensions, local_day, bucket, and the columns in `also`."""
    return _read(rules, relations, is_local=True, also=also)


def _read(
    rules: Sequence[Rule],
    relations: Relations,
    *,
    is_local: bool = False,
    also: Sequence[str] = (),
) -> str:
    """The live events that the asks of these meters read, with what each meter reads of them."""
    numbers = ", ".join(str(int(rule["meter_no"])) for rule in rules)
    at = _at(rules)
    types = sorted({str(rule["event_type"]) for rule in rules})
    kept = ", ".join("'" + one.replace("'", "''") + "'" for one in types)
    days = "" if relations.days is None or "received_at" in at else _days(relations.days)
    if relations.customers:
        days += f" and events.customer_id in ({', '.join(map(literal, relations.customers))})"
    local = ""
    columns = f"asks.{ASK.replace(', ', ', asks.')}"
    if is_local:
        local = (
            f"join {relations.offsets} as offsets on offsets.zone = asks.zone "
            f"and {at} >= offsets.valid_from and {at} < offsets.valid_to"
        )
        # exact: whole microseconds; days are counted from long before the first, for // cuts.
        shifted = f"({at} + to_seconds(offsets.offset_seconds))"
        day = f"({shifted} - to_seconds(asks.day_seconds))"
        columns += f", cast({day} as date) as local_day, {_bucket(rules, shifted, day)} as bucket"
    columns += "".join(f", events.{name}" for name in also)
    return f"""
        select {columns}, {at} as happened_at, events.source, events.event_id,
            {_case(rules, "value_sql")} as value, {_case(rules, "item_sql")} as item,
            {_case(rules, "removes_sql")} as removes,
            {_case(rules, "dimensions_sql")} as dimensions,
            {_case(rules, "percentile_millionths")} as millionths
        from {relations.events} as events
        join (select * from {relations.readers} where meter_no in ({numbers})) as asks
            on asks.customer_id = events.customer_id and asks.event_type = events.event_type
            and {at} >= asks.read_from and {at} < asks.read_to
        {local}
        anti join {relations.restated} as newer
            on newer.replaces_seq = events.batch_seq and newer.replaces_row = events.row_no
        where events.event_type in ({kept}) and events.action is distinct from 'void'{days}
            and ({_case(rules, "filter_sql")})
        """


def _days(days: tuple[str, str]) -> str:
    return f" and events.event_day between date '{days[0]}' and date '{days[1]}'"


def _at(rules: Sequence[Rule]) -> str:
    """The time that decides: of the event, or of its receipt."""
    clocks = {rule["clock"]: "events.occurred_at" for rule in rules}
    if "received" in clocks:
        clocks["received"] = "events.received_at"
    if len(clocks) == 1:
        return next(iter(clocks.values()))
    received = ", ".join(str(r["meter_no"]) for r in rules if r["clock"] == "received")
    return (
        f"(case when asks.meter_no in ({received}) then events.received_at "
        "else events.occurred_at end)"
    )


def _bucket(rules: Sequence[Rule], shifted: str, day: str) -> str:
    """The local minute, hour or day; an hour that the clock repeats is two. Days begin when those
    of the contract do."""
    units = {rule["bucket"] for rule in rules} - {None}
    if not units:
        return "null"
    parts = [
        f"when {int(rule['meter_no'])} then "
        + (
            f"cast(cast({day} as date) as varchar)"
            if rule["bucket"] == "day"
            else f"concat(date_trunc('{rule['bucket']}', {shifted}), offsets.offset_seconds)"
        )
        for rule in rules
        if rule["bucket"] is not None
    ]
    return f"case asks.meter_no {' '.join(parts)} end"


def _case(rules: Sequence[Rule], name: str) -> str:
    """One expression where all meters agree, else by the meter of the ask."""
    texts = {str(rule[name]) for rule in rules}
    if len(texts) == 1:
        return next(iter(texts))
    parts = [f"when {int(rule['meter_no'])} then {rule[name]}" for rule in rules]
    return f"case asks.meter_no {' '.join(parts)} end"


def answered_sql(
    rules: Sequence[Rule], relations: Relations, rule_table: str, *, has_parts: bool = False
) -> str:
    """One row per ask and dimensions, at least one for each ask: ask_no, dimensions, event_count,
    quantity decimal(38, 12) after conversion and rounding, and is_measured. An ask in which
    nothing was measured has what the meter says of an empty window. Needs the macros of exact.py.

    With `has_parts` an ask names in `part_of` the ask that answers for it: what the parts measured
    is added up, and converted and rounded once, as the meter version of that ask says.
    """
    measured, heads = measured_sql(rules, relations), ""
    if has_parts:
        heads = "where asks.part_of = asks.ask_no"
        measured = f"""
            select parts.part_of as ask_no, found.dimensions,
                cast(sum(found.event_count) as bigint) as event_count,
                cast(sum(found.numerator) as decimal(38, 12)) as numerator,
                max(found.denominator) as denominator
            from ({measured}) as found join {relations.asks} as parts using (ask_no)
            group by parts.part_of, found.dimensions
            """
    return f"""
        select asks.ask_no, coalesce(measured.dimensions, '{{}}') as dimensions,
            coalesce(measured.event_count, 0) as event_count,
            cast(case
                when measured.numerator is null then rules.empty
                when rules.is_exact and measured.denominator = 1 then measured.numerator
                else exact_quotient(measured.numerator, measured.denominator, rules.over,
                    rules.under, rules.places, rules.mode)
            end as decimal(38, 12)) as quantity,
            measured.numerator is not null as is_measured
        from {relations.asks} as asks
        join {rule_table} as rules using (meter_no)
        left join ({measured}) as measured on measured.ask_no = asks.ask_no
        {heads}
        """
