"""What a line is priced in: pieces of units, each at one price that needs one quantity.

Most lines are one piece. A price of parts sorts what was measured into cells, picks a tier by some
of it for the rest, sets one amount by the highest unit, or prices each bucket of time alone. Of a
line whose price was charged before in its period, a second piece is taken off.

Reads `asked` (see amounts.py) and a table of parts: line_no, part_no (in their order), keys (JSON
of dimension values), quantity, and weight_numerator and weight_denominator; of prices by bucket
one row for each bucket, of those by movement (levels.py) one for each movement, and of those that
read single events (events.py) one for each of them.
"""

from meterhouse.second_rater.events import READS_EVENTS
from meterhouse.second_rater.levels import BY_MOVEMENT
from meterhouse.second_rater.numbers import MONEY, UNITS, whole

# Where a dimension is found in keys: JSON Pointers, whatever its name holds.
PLACE = "('/' || replace(replace({name}, '~', '~0'), '/', '~1'))"
BY_BUCKET = ("bucketed", "windowed_commitment")
BY_KEYS = ("matrix", "two_dimensional", "capacity")
BY_PARTS = (*BY_KEYS, *BY_BUCKET, *BY_MOVEMENT)
# SQL over a price: whether it needs more than one quantity.
READS_PARTS = f"(price_model in {BY_PARTS} or {READS_EVENTS})"
PARTS = f"""
create or replace temp table second_parts as
select line_no, part_no, price, price_model, cast(keys as varchar) as keys,
    weight_numerator, weight_denominator,
    {whole("cast(parts.quantity as varchar)", UNITS)} as units
from {{parts}} as parts join {{asked}} using (line_no)
where why_not is null and {READS_PARTS}
"""
# What cells and selectors (numbered 0 and -1) say, a row for each dimension, or one for none.
CELLS = f"""
create or replace temp table second_cells as
with said as (
    select price, price_model, cast(price as json) as said
    from (select distinct price, price_model from second_parts)
),
cells as (
    select price, row_number() over (partition by price) as cell_no, cell->'$.keys' as wanted,
        case price_model when 'matrix' then cell->'$.price' else cell end as inside
    from (
        select price, price_model, unnest(cast(said->'$.cells' as json[])) as cell
        from said where price_model in ('matrix', 'windowed_commitment')
    )
    union all
    select price, unnest([0, -1]), unnest([said->'$.tier_by', said->'$.price_by']), null
    from said where price_model = 'two_dimensional'
),
named as (
    select *, unnest(json_keys(wanted)) as name from cells
    union all
    select *, null from cells where len(json_keys(wanted)) = 0
)
select price, cell_no, inside, name, len(json_keys(wanted)) as names,
    {PLACE.format(name="name")} as place, wanted
from named
"""
# Which keys fit which cell: one of the values that it wants, in each dimension that it names.
FITS = """
create or replace temp table second_fits as
select price, keys, cell_no, any_value(inside) as inside, any_value(names) as names
from (
    select *, cast(keys as json)->>place as value,
        case json_type(wanted, place) when 'ARRAY' then cast(wanted->place as varchar[])
            else [wanted->>place] end as values
    from (select distinct price, keys from second_parts) join second_cells using (price)
)
group by price, keys, cell_no
having bool_and(name is null or coalesce(list_contains(values, value), false))
"""
# Of the cells that fit, the one that names most dimensions, of equals the first.
BEST = """
select line_no, part_no, price_model, units, cell_no,
    coalesce(inside, cast(price as json)->'$.default') as inside
from second_parts
left join (
    from second_fits where cell_no > 0
    qualify row_number() over (partition by price, keys order by names desc, cell_no) = 1
) using (price, keys)
"""
IN_CELLS = f"""
select line_no, any_value(inside) as inside, sum(units) as units
from ({BEST}) where price_model = 'matrix'
group by line_no, cell_no
"""
# What is committed for a bucket: an amount, or units at the price of the bucket.
COMMITTED = f"""
create or replace temp table second_committed as
select line_no, part_no, units, inside->'$.price' as inside, has_amount, has_units,
    {whole("amount_said", MONEY)} as amount, {whole("units_said", UNITS)} as committed_units,
    cast(replace(factor_said, '.', '') as hugeint) as factor,
    length(split_part(factor_said, '.', 2)) as factor_places, is_lifted
from (
    select *, inside->>'$.commitment_amount' as amount_said, amount_said is not null as has_amount,
        inside->>'$.commitment_quantity' as units_said, units_said is not null as has_units,
        coalesce(inside->>'$.overage_factor', '1') as factor_said,
        coalesce(inside->>'$.true_up', 'false') = 'true' as is_lifted
    from ({BEST}) where price_model = 'windowed_commitment'
)
"""
# A line of which nothing was measured is in the first tier, at nothing.
BY_OTHER = f"""
select line_no, tier->'$.price' as inside, units from (
    select *, unnest(cast(cast(price as json)->'$.tiers' as json[])) as tier,
        unnest(range(json_array_length(price, '$.tiers')::bigint)) as tier_no
    from (
        select asked.line_no, any_value(asked.price) as price,
            coalesce(sum(told.units) filter (cell_no = 0), 0) as by_units,
            coalesce(sum(told.units) filter (cell_no = -1), 0) as units
        from {{asked}} as asked
        left join (
            select line_no, cell_no, units from second_parts join second_fits using (price, keys)
        ) as told using (line_no)
        where why_not is null and asked.price_model = 'two_dimensional'
        group by asked.line_no
    )
)
where tier->>'$.up_to' is null or by_units <= {whole("(tier->>'$.up_to')", UNITS)}
qualify row_number() over (partition by line_no order by tier_no) = 1
"""
# A unit reaches the first tier that has no limit for it, or one that holds it.
BY_HIGHEST = f"""
with tiers as (
    select price, dimension, tier->'$.limits' as limits, tier->>'$.amount' as amount, tier_no
    from (
        select price, cast(price as json)->>'$.dimension' as dimension,
            unnest(cast(cast(price as json)->'$.tiers' as json[])) as tier,
            unnest(range(json_array_length(price, '$.tiers')::bigint)) as tier_no
        from (select distinct price from {{asked}}
            where why_not is null and price_model = 'capacity')
    )
),
used as (
    select line_no, price, unit, sum(units) as units from (
        select parts.*, cast(keys as json)->>{PLACE.format(name="dimension")} as unit
        from second_parts as parts join (select distinct price, dimension from tiers) using (price)
    ) group by all
),
limited as (
    select *, limits->>{PLACE.format(name="unit")} as held
    from used join tiers using (price)
),
reached as (
    select line_no, unit, min(tier_no) as tier_no from limited
    where held is null or units <= {whole("held", UNITS)}
    group by line_no, unit
)
select asked.line_no, any_value(amount) as amount
from {{asked}} as asked
left join (select line_no, max(tier_no) as tier_no from reached group by line_no) as highest
    using (line_no)
join tiers on tiers.price = asked.price and tiers.tier_no = coalesce(highest.tier_no, 0)
where why_not is null and price_model = 'capacity'
group by asked.line_no
"""
OWN = f"""
create or replace temp table second_pieces as
select line_no, null::bigint as part_no, false as is_committed, price, price_model, sign,
    reached as units
from (
    select *, 1 as sign, coalesce(before, 0::hugeint) + units as reached from {{asked}}
    union all by name
    select *, -1 as sign, before as reached from {{asked}} where before is not null
)
where why_not is null and not ({READS_PARTS})
"""
PIECES = f"""
{OWN}
union all
select line_no, null, false, cast(inside as varchar), inside->>'$.model', 1,
    cast(units as hugeint)
from (
    select * from ({IN_CELLS})
    union all
    select * from ({BY_OTHER})
    union all
    select line_no, cast(price as json)->'$.price', units
    from second_parts where price_model = 'bucketed'
)
where json_type(inside) = 'OBJECT'
union all
select line_no, part_no, false, cast(inside as varchar), inside->>'$.model', 1, units
from second_committed
union all
select line_no, part_no, true, cast(inside as varchar), inside->>'$.model', 1, committed_units
from second_committed where has_units
union all
-- One amount is one unit of a fee.
select line_no, null, false, cast(json_object('amount', amount) as varchar), 'flat', 1,
    {10**UNITS}::hugeint
from ({BY_HIGHEST})
"""


def pieces(asked: str, parts: str | None) -> tuple[str, ...]:
    """SQL that makes temp table second_pieces of the lines in `asked`: line_no, price, price_model,
    sign (-1 is taken off) and units (10^-12). Without `parts`, no price is made of any.

    With them it makes second_committed too: the buckets of prices that commit to something for
    each. Their pieces have the `part_no` of the bucket, and say by `is_committed` whether they
    are what was used of it or what is committed.
    """
    if parts is None:
        return (OWN.format(asked=asked),)
    return (
        PARTS.format(asked=asked, parts=parts),
        CELLS,
        FITS,
        COMMITTED,
        PIECES.format(asked=asked),
    )
