"""Every price as rows of tiers, whatever its model: what lies in a tier and what it costs there.

A price without tiers is one open tier. Each price is read once, however many windows have it.
"""

from meterhouse.second_rater.events import BY_EVENT
from meterhouse.second_rater.numbers import MONEY, UNITS, whole
from meterhouse.second_rater.pieces import BY_PARTS

BY_PART = ("graduated", "graduated_percentage", "tiered_bps")
BY_WHOLE = ("volume", "stairstep", "bulk_bps")
MODELS = (
    *("flat", "per_unit", "overage", "package", "dynamic", "graduated", "graduated_percentage"),
    *("volume", "stairstep", *BY_EVENT, *BY_PARTS),
)
# `free` is taken off first, `size` makes packages of what is left; a tier's `step` is its price.
TIERS = """
create or replace temp table second_tiers as
with prices as (
    select price, cast(price as json) as said, price_model
    from (select distinct price, price_model from {asked})
),
tiers as (
    select price, price_model, said,
        unnest(cast(coalesce(
            said->'$.tiers', json_array(said)
        ) as json[])) as tier,
        unnest(range(1, 1 + coalesce(json_array_length(said, '$.tiers'), 1)::bigint)) as tier_no
    from prices
),
texts as (
    select price, price_model, tier_no, tier->>'$.up_to' as up_to,
        coalesce(said->>'$.bill_flat_on_zero', 'true') = 'true' as bills_zero,
        -- What one unit costs, by the name that the model gives it.
        coalesce(case price_model
            when 'flat' then said->>'$.amount'
            when 'dynamic' then coalesce(said->>'$.multiplier', '1')
            when 'graduated_percentage' then tier->>'$.rate'
            when 'percentage' then said->>'$.rate'
            when 'bps' then said->>'$.bps'
            when 'bulk_bps' then tier->>'$.bps'
            when 'tiered_bps' then tier->>'$.bps'
            when 'package' then '0'
            else tier->>'$.unit_amount' end, '0') as each,
        coalesce(case when price_model = 'per_unit' then said->>'$.per' end, '1') as per,
        coalesce(tier->>'$.flat_amount', '0') as flat,
        coalesce(tier->>'$.package_size', '0') as size,
        coalesce(tier->>'$.package_amount', '0') as package,
        coalesce(tier->>'$.rounding', 'up') = 'up' as rounds_up,
        coalesce(said->>'$.free_units', said->>'$.included_units', said->>'$.free_amount', '0')
            as free,
        tier->>'$.cap' as cap
    from tiers
),
counted as (
    select *, length(split_part(each, '.', 2)) + length(per) - 1
            -- A basis point is a shift by four decimals.
            + case when price_model in ('bps', 'bulk_bps', 'tiered_bps') then 4 else 0 end
            as each_places,
        {upper} as upper_bound, {flat} as flat_units, {size} as size_units,
        {package} as package_units, {free} as free_units, {cap} as cap_units
    from texts
)
select price, price_model, tier_no, bills_zero, rounds_up, up_to is null as is_open, upper_bound,
    coalesce(lag(upper_bound) over (partition by price order by tier_no), 0) as lower_bound,
    each_places, try(cast(replace(each, '.', '') as hugeint)) as each_digits,
    flat_units as flat, size_units as size, package_units as package, free_units as free,
    cap_units as cap, cap is not null as is_capped,
    -- A number with more decimals than there is room for is null: then nothing is said at all.
    bool_and(
        flat_units is not null and size_units is not null and package_units is not null
        and free_units is not null and (up_to is null or upper_bound is not null)
        and (cap is null or cap_units is not null)
    ) over (partition by price) as is_readable
from counted
"""


def tiers(asked: str) -> str:
    """SQL that makes temp table second_tiers of the prices in `asked`."""
    return TIERS.format(
        asked=asked,
        upper=whole("up_to", UNITS),
        flat=whole("flat", MONEY),
        size=whole("size", UNITS),
        package=whole("package", MONEY),
        free=whole("free", UNITS),
        cap=whole("cap", MONEY),
    )
