"""Before the price: units that an item turns into others, and those that it gives away.

Reads a column `modifiers`, the canonical JSON of what an item says; whole numbers of 10^-12 units.
"""

from meterhouse.second_rater.numbers import UNITS, ten_to, whole

FACTOR = "(modifiers->>'$.convert.factor')"
_DIGITS = f"cast(replace({FACTOR}, '.', '') as hugeint)"
_TENS = ten_to(f"length(split_part({FACTOR}, '.', 2))")
_IS_PRODUCT = "(modifiers->>'$.convert.op') = 'multiply'"
# The quantity in the other unit is over / under, in 10^-12.
_OVER = f"(measured * case when {_IS_PRODUCT} then {_DIGITS} else {_TENS} end)"
_UNDER = f"(case when {_IS_PRODUCT} then {_TENS} else {_DIGITS} end)"
_ONE = f"{ten_to(str(UNITS))}"
# exact: `//` of whole numbers above zero cuts; what is to be rounded up is added before.
CONVERTED = f"""
case when (modifiers->'$.convert') is null or json_type(modifiers, '$.convert') = 'NULL'
        or measured <= 0 then measured
    else try(case modifiers->>'$.convert.rounding'
        when 'up' then ({_OVER} + {_UNDER} * {_ONE} - 1) // ({_UNDER} * {_ONE}) * {_ONE}
        when 'down' then {_OVER} // ({_UNDER} * {_ONE}) * {_ONE}
        when 'half_up' then (2 * {_OVER} + {_UNDER} * {_ONE}) // (2 * {_UNDER} * {_ONE}) * {_ONE}
        else (2 * {_OVER} + {_UNDER}) // (2 * {_UNDER}) end)
end
"""
GIVEN = f"""
({whole("coalesce(modifiers->>'$.free_quantity', '0')", UNITS)}
    + {whole("coalesce(modifiers->>'$.included_quantity.quantity', '0')", UNITS)})
"""


def charged(lines: str, window: str) -> str:
    """SQL that adds `units`, what is left to charge, to the rows of `lines`, which have
    `measured`, `modifiers` and the columns of `window`; the rows of a window share what is free,
    in the order of their dimensions."""
    return f"""
select *, measured as units from {lines} where modifiers is null
union all by name
select * exclude (converted, given, so_far), converted - case when given is not null
    then least(so_far, given) - least(so_far - greatest(converted, 0), given) end as units
from (
    select *, {GIVEN} as given, sum(greatest(converted, 0)) over (
        partition by {window} order by dimensions rows unbounded preceding
    ) as so_far
    from (select *, {CONVERTED} as converted from {lines} where modifiers is not null)
)
"""
