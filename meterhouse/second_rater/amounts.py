"""From quantities to amounts: units in each tier, their cost, the share of a period, one rounding.

Reads a table with line_no, price_model, price, units and before (10^-12), currency,
share_numerator, share_denominator, credit_numerator, credit_denominator, credit_basis, is_shared
and why_not (null: to be rated). `before` was charged at this price already: its cost is taken off.
"""

from meterhouse.second_rater.events import READS_EVENTS, event_costs
from meterhouse.second_rater.levels import BY_MOVEMENT, level_costs
from meterhouse.second_rater.numbers import MONEY, PLACES, cost, part, ten_to
from meterhouse.second_rater.pieces import pieces
from meterhouse.second_rater.prices import BY_PART, BY_WHOLE, tiers

# Units above `free`, and what of them a tier has: its own part, or all in the tier of the whole.
HELD = f"""
select lines.line_no, lines.part_no, lines.is_committed, lines.sign, lines.units, tiers.*,
    greatest(lines.units - tiers.free, 0) as billed,
    case when price_model in {BY_PART} then case when is_open then billed
            else least(billed, upper_bound) end - lower_bound
        else billed end as held,
    case when price_model in {BY_PART} then billed > lower_bound
        when price_model in {BY_WHOLE}
            then billed > lower_bound and (is_open or billed <= upper_bound)
        else billed > 0 end as is_reached,
    tier_no = 1 and lines.units = 0 and bills_zero as is_flat_only
from second_pieces as lines join second_tiers as tiers using (price, price_model)
where lines.units >= 0 or lines.units is null
"""
PACKAGES = """
case when size = 0 then 0::hugeint when rounds_up then -(-held // size) + case
    when held % size > 0 then 1 else 0 end else held // size end
"""
BOUNDED = f"""
with held as ({HELD}),
costs as (
    select line_no, part_no, is_committed, sign, units, is_capped, cap, case
        when units is null or not is_readable then null
        when not is_reached then flat
        else try({cost("held", "each_digits", "each_places")}
            + (({PACKAGES}) * package) + flat) end as costs
    from held where is_reached or is_flat_only or units is null or not is_readable
),
-- So many fit into a sum.
bounded as (
    select line_no, part_no, is_committed, sign, case when abs(costs) >= {ten_to("36")} then null
        when is_capped then least(costs, cap) else costs end as costs
    from costs
)
"""
COSTS = f"""
create or replace temp table second_costs as {BOUNDED}
select line_no,
    case when count(*) = count(costs) then cast(sum(sign * costs) as hugeint) end as costs
from bounded group by line_no
"""
# Also the prices of lines that no piece is made of: by movements and by single events.
PRICED = f"""(
    select price, price_model from second_pieces
    union all
    select price, price_model from {{asked}}
    where why_not is null and (price_model in {BY_MOVEMENT} or {READS_EVENTS})
)"""
# A bucket costs its commitment and the excess times a factor, or what it is lifted to.
ABOVE_COMMITTED = f"""
case when try(excess * factor) % {ten_to("factor_places")} = 0
    then committed + try(excess * factor) // {ten_to("factor_places")} end
"""
WITH_COMMITTED = f"""
create or replace temp table second_costs as {BOUNDED},
buckets as (
    select line_no, part_no, is_committed,
        case when count(*) = count(costs) then cast(sum(costs) as hugeint) end as costs
    from bounded where part_no is not null group by all
),
told as (
    select line_no, factor, factor_places, is_lifted, has_amount or has_units as is_bound,
        case when used.line_no is null then 0::hugeint else used.costs end as cost,
        case when has_amount then amount when least.line_no is null then 0::hugeint
            else least.costs end as committed,
        greatest(cost - committed, 0) as excess
    from second_committed
    left join (from buckets where not is_committed) as used using (line_no, part_no)
    left join (from buckets where is_committed) as least using (line_no, part_no)
),
bounded_buckets as (
    select line_no, case when cost is null or not is_bound then cost
        when cost < committed then case when is_lifted then committed else cost end
        else {ABOVE_COMMITTED} end as costs
    from told
),
together as (
    select line_no, sign * costs as costs from bounded where part_no is null
    union all
    select line_no, case when abs(costs) < {ten_to("36")} then costs end
    from (
        from bounded_buckets
        union all from second_level_costs
        union all from second_event_costs
    )
)
select line_no, case when count(*) = count(costs) then cast(sum(costs) as hugeint) end as costs
from together group by line_no
"""
# What was billed of a fee, less what a change leaves unused of it: both rounded as lines are.
BILLED = part(
    "costs",
    "case when is_shared then share_numerator else 1 end",
    "case when is_shared then share_denominator else 1 end",
    "unit",
)
UNUSED_BILLED = part("billed", "credit_numerator", "share_numerator", "1")
UNUSED_PRICE = part("costs", "credit_numerator", "credit_denominator", "unit")
LINES = f"""
create or replace temp table second_lines as
with priced as (
    select asked.*, {PLACES.format(currency="currency")} as places,
        {ten_to(f"{MONEY} - places")} as unit,
        case when costs.line_no is null then 0::hugeint else costs.costs end as costs
    from {{asked}} as asked left join second_costs as costs using (line_no)
    where why_not is null
),
billed as (select *, {BILLED} as billed from priced),
left_over as (
    select *, case when coalesce(credit_numerator, 0) = 0 then 0
        when credit_basis = 'billed' and credit_denominator = share_denominator
            and share_numerator > 0 then {UNUSED_BILLED}
        else {UNUSED_PRICE} end as unused
    from billed
),
amounts as (
    select line_no, places,
        billed - case when unused = 0 then 0
            when unused is not null then least(unused, billed) end as amount
    from left_over
)
select asked.*, amounts.amount, amounts.places,
    coalesce(why_not, case when amounts.amount is null then 'too many digits' end) as reason
from {{asked}} as asked left join amounts using (line_no)
"""


def statements(asked: str, parts: str | None) -> tuple[str, ...]:
    """The SQL, in order, that makes temp table second_lines: what is in `asked` with `amount`
    (whole smallest units of the currency), `places` and `reason` (null where it was rated).

    `parts` is a table of what the lines of prices by parts are made of, see pieces.py;
    None where `asked` has no such price: the SQL is shorter by half.
    """
    lines = LINES.format(asked=asked)
    if parts is None:
        return (*pieces(asked, None), tiers("second_pieces"), COSTS, lines)
    made = (*pieces(asked, parts), tiers(PRICED.format(asked=asked)))
    of_events = (level_costs(asked), event_costs(asked))
    return (*made, *of_events, WITH_COMMITTED, lines)
