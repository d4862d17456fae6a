"""Units that move a level, each priced for the part of its period that was left when it came.

Reads second_parts and second_tiers (pieces.py, prices.py) and `asked` (amounts.py).
"""

from meterhouse.second_rater.numbers import cost, part

BY_MOVEMENT = ("prorated_graduated", "prorated_volume")
# A tier has flats if a level reached it, whatever it fell to; the full units choose one of volume.
REACHED = """
case when not is_readable then true when final < 0 then false
    when price_model = 'prorated_graduated'
        then peak > lower_bound or (tier_no = 1 and bills_zero)
    else (final > 0 or bills_zero) and (final > lower_bound or tier_no = 1)
        and (is_open or final <= upper_bound) end
"""


def _inside(level: str) -> str:
    """SQL for a level cut to the bounds of the tier; the last one has no upper bound."""
    return f"least(greatest({level}, lower_bound), upper_bound)"


SLICE = f"""
case when price_model = 'prorated_volume' then units
    else {_inside("level")} - {_inside("level - units")} end
"""


def level_costs(asked: str) -> str:
    """SQL that makes temp table second_level_costs: line_no and costs (10^-18; null where a number
    does not fit) of the lines in `asked` whose price reads movements."""
    return f"""
create or replace temp table second_level_costs as
with moved as (
    select *, sum(units) over (partition by line_no order by part_no) as level
    from second_parts where price_model in {BY_MOVEMENT}
),
lines as (
    select line_no, price, price_model, coalesce(final, 0) as final,
        greatest(coalesce(peak, 0), 0) as peak
    from {asked}
    left join (
        select line_no, sum(units) as final, max(level) as peak from moved group by line_no
    ) using (line_no)
    where why_not is null and price_model in {BY_MOVEMENT}
),
reached as (
    select line_no, tiers.* from lines join second_tiers as tiers using (price, price_model)
    where {REACHED}
),
products as (
    select line_no, tier_no, weight_denominator,
        try({cost(SLICE, "each_digits", "each_places")} * weight_numerator) as product
    from reached join moved using (line_no, price, price_model)
),
by_denominator as (
    select line_no, tier_no, weight_denominator,
        case when count(*) = count(product) then cast(sum(product) as hugeint) end as product
    from products group by all
),
by_tier as (
    select line_no, tier_no, case when count(*) = count(product)
        then cast(sum({part("product", "1", "weight_denominator", "1")}) as hugeint) end as charged
    from by_denominator group by all
),
tier_costs as (
    select line_no, case when not is_readable then null when by_tier.line_no is null then flat
        when charged is null then null
        when price_model = 'prorated_volume' then flat + greatest(charged, 0)
        else flat + charged end as costs
    from reached left join by_tier using (line_no, tier_no)
)
select line_no, case when count(*) = count(costs) then cast(sum(costs) as hugeint) end as costs
from tier_costs group by line_no
"""
