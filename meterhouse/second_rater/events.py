"""Money that events bring: a share of each one's value, with what a price says of single events.

Reads second_parts and second_tiers (pieces.py, prices.py); a part is an event, in its order.
"""

from meterhouse.second_rater.numbers import MONEY, UNITS, cost, ten_to, whole

BY_EVENT = ("percentage", "bps", "bulk_bps", "tiered_bps")
# SQL over a price: whether what each event costs hangs on more than its value.
READS_EVENTS = """
case price_model when 'percentage' then (price->>'$.max_per_event') is not null
        or coalesce(try_cast((price->>'$.fixed_amount') as decimal(38, 18)), 0) <> 0
        or coalesce(try_cast((price->>'$.min_per_event') as decimal(38, 18)), 0) <> 0
        or coalesce((price->>'$.free_events'), '0') <> '0'
    when 'bps' then (price->>'$.per_event_cap') is not null
    when 'bulk_bps' then contains(price, '"per_event_cap":"')
    when 'tiered_bps' then contains(price, '"per_event_cap":"')
    else false end
"""
_LIMITS = {"fixed": "fixed_amount", "low": "min_per_event", "high": "max_per_event"}
# The rates of a price, one for each tier, with what it says of single events.
RATES = f"""
select price, price_model, tier_no, lower_bound, upper_bound, is_open, is_readable,
    each_digits, each_places, bills_zero,
    coalesce(cast((said->>'$.free_events') as bigint), 0) as free_events,
    {whole("coalesce(said->>'$.free_amount', '0')", UNITS)} as free_amount,
    coalesce({whole("(said->>'$.fixed_amount')", MONEY)}, 0) as fixed,
    {whole("(said->>'$.min_per_event')", MONEY)} as low,
    {whole("coalesce(said->>'$.max_per_event', tier->>'$.per_event_cap')", MONEY)} as high
from (
    select * exclude (bills_zero), cast(price as json) as said,
        coalesce(said->('$.tiers[' || (tier_no - 1) || ']'), said) as tier,
        coalesce(said->>'$.bill_fixed_on_zero', 'false') = 'true' or price_model <> 'percentage'
            as bills_zero
    from second_tiers where price_model in {BY_EVENT} and {READS_EVENTS}
)
"""
# The tier of all events of bulk_bps, the pieces of each in those of tiered_bps; others have one.
MEETS = """
case price_model when 'bulk_bps'
    then (total > lower_bound or tier_no = 1) and (is_open or total <= upper_bound)
    when 'tiered_bps' then running > lower_bound and (is_open or running - value < upper_bound)
    else true end
"""
FREE = """
case when (free_events = 0 and free_amount = 0) or (free_events > 0 and place > free_events)
    then 0::hugeint
    when free_amount > 0 then greatest(least(free_amount - (running - value), value), 0)
    else value end
"""
# An event that ends within the allowances pays nothing at all.
IS_FREE = """
(free_events > 0 or free_amount > 0) and (free_events = 0 or place <= free_events)
    and (free_amount = 0 or running <= free_amount)
"""


def event_costs(asked: str) -> str:
    """SQL that makes temp table second_event_costs: line_no and costs (10^-18; null where a number
    does not fit) of the lines in `asked` whose price reads single events."""
    return f"""
create or replace temp table second_event_costs as
with events as (
    select line_no, price, price_model, part_no, greatest(units, 0::hugeint) as value,
        row_number() over own as place, sum(greatest(units, 0::hugeint)) over own as running,
        sum(greatest(units, 0::hugeint)) over (partition by line_no) as total
    from second_parts join (select line_no from {asked} where why_not is null) using (line_no)
    where price_model in {BY_EVENT}
    window own as (partition by line_no order by part_no)
),
pieces as (
    select events.*, rates.* exclude (price, price_model), {FREE} as free, {IS_FREE} as is_free,
        case when price_model = 'tiered_bps'
            then least(running, upper_bound) - greatest(running - value, lower_bound)
            else value - free end as charged
    from events join ({RATES}) as rates using (price, price_model)
    where {MEETS}
),
fees as (
    select line_no, is_free or (total = 0 and not bills_zero) as is_void, low, high,
        case when is_readable
            then {cost("charged", "each_digits", "each_places")} + fixed end as fee
    from pieces
),
limited as (
    -- A limit that is not said limits nothing.
    select line_no, case when fee is null then null when is_void then 0
        else least(greatest(fee, low), high) end as fee
    from fees
)
select line_no, case when count(*) = count(fee) and max(abs(fee)) < {ten_to("30")}
    then cast(sum(fee) as hugeint) end as costs
from limited group by line_no
"""
