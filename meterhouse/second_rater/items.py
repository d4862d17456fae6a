"""After the price: what discounts, a maximum, a minimum and a commitment of an item make of it.

Whole periods only, and at most three discounts without a total of their life. Works on second_lines
(amounts.py), which says besides: is_made (the line of a modifier), component, modifiers, is_whole
and first_amount. Amounts count in smallest units of the currency.
"""

from meterhouse.second_rater.numbers import MONEY, part, ten_to, whole

MOST = 3
KINDS = ("discount", "maximum", "minimum", "commitment", "true_up")
_UNIT = ten_to(f"{MONEY} - places")
# Whether anything is said that makes a line.
SAYS = """
(json_array_length(modifiers, '$.discounts') > 0 or coalesce(modifiers->>'$.maximum.amount',
    modifiers->>'$.minimum.amount', modifiers->>'$.commitment.amount') is not null)
"""


def _money(text: str) -> str:
    return whole(text, MONEY)


def _times(amount: str, digits: str, tens: str) -> str:
    """SQL for an amount not below zero times digits / tens, halves up."""
    # exact: `//` of whole numbers cuts; the half of the divisor is added before, twice as large.
    return f"try((2 * {amount} * {digits} + {tens}) // (2 * {tens}))"


def _decimal(text: str) -> tuple[str, str]:
    """SQL for the digits of a decimal, and for ten to its places."""
    return (
        f"cast(replace({text}, '.', '') as hugeint)",
        ten_to(f"length(split_part({text}, '.', 2))"),
    )


DISCOUNTS = f"""
create or replace temp table second_discounts as
select modifiers, percentage, from_on, until_on, {_money("off_said")} as off,
    {_money("most_said")} as most,
    (off_said is null or off is not null) and (most_said is null or most is not null)
        as is_readable,
    row_number() over (
        partition by modifiers order by turn is null, turn, percentage is null, place
    ) as nth
from (
    select modifiers, place, one->>'$.percentage' as percentage, one->>'$.amount' as off_said,
        one->>'$.cap' as most_said, cast((one->>'$.order') as bigint) as turn,
        cast((one->>'$.from') as date) as from_on, cast((one->>'$.until') as date) as until_on
    from (
        select modifiers, unnest(cast(modifiers->'$.discounts' as json[])) as one,
            unnest(range(json_array_length(modifiers, '$.discounts')::bigint)) as place
        from (select distinct modifiers from second_lines
            where not is_made and modifiers is not null)
    )
)
"""
# What an item costs in a period, over all dimension values; null where that is not known.
CHARGES = f"""
select window_id, any_value(contract_id) as contract_id, any_value(item_id) as item_id,
    any_value(window_start_on) as window_start_on, any_value(window_end_on) as window_end_on,
    modifiers, any_value(places) as places,
    case when bool_and(reason is null) then cast(sum(amount) as hugeint) end as net_1
from second_lines
where not is_made and modifiers is not null and is_whole and {SAYS}
    and not contains(modifiers, '"cap_total":"')
    and coalesce(json_array_length(modifiers, '$.discounts'), 0) <= {MOST}
group by window_id, modifiers
"""


def _discounted(charges: str, nth: int) -> str:
    """SQL: the charges with what the nth discount leaves, net_2 of net_1 and so on."""
    net = f"greatest(net_{nth}, 0)"
    share = _times(net, *_decimal("percentage"))
    off, most = (part(one, "1", "1", _UNIT) for one in ("off", "most"))
    asked = f"(case when percentage is null then {off} else {share} end)"
    return f"""
select charges.*, net_{nth} - case when discounts.nth is null then 0
    when not is_readable or {asked} is null then null
    else least({net}, {asked}, {most}) end as net_{nth + 1}
from ({charges}) as charges left join second_discounts as discounts
    on discounts.modifiers = charges.modifiers and discounts.nth = {nth}
    and (from_on is null or window_start_on >= from_on)
    and (until_on is null or window_start_on < until_on)
"""


def _expected() -> str:
    """SQL: one row per charge with what each kind of modifier adds."""
    told = CHARGES
    for nth in range(1, MOST + 1):
        told = _discounted(told, nth)
    limits = {kind: f"modifiers->>'$.{kind}.amount'" for kind in KINDS[1:4]}
    rounded = ", ".join(
        f"{part(_money(text), '1', '1', _UNIT)} as {kind}_of, ({text}) is not null as has_{kind}"
        for kind, text in limits.items()
    )
    factor = _decimal("coalesce(modifiers->>'$.commitment.overage_factor', '1')")
    return f"""
with charges as (select *, net_{MOST + 1} as net, {rounded} from ({told})),
capped as (
    select *, case when has_maximum then -greatest(net - maximum_of, 0) else 0 end as maximum
    from charges where net is not null and (maximum_of is not null or not has_maximum)
        and (minimum_of is not null or not has_minimum)
        and (commitment_of is not null or not has_commitment)
),
lifted as (
    select *, case when has_minimum then greatest(minimum_of - net - maximum, 0) else 0 end
        as minimum
    from capped
),
beyond as (
    select *, net + maximum + minimum as reached, case when has_commitment
        then greatest(net + maximum + minimum - commitment_of, 0) else 0 end as excess
    from lifted
),
committed as (select *, {_times("excess", *factor)} - excess as commitment from beyond)
select contract_id, item_id, window_id, window_start_on, window_end_on, places,
    unnest({list(KINDS)}) as component,
    unnest([net - net_1, maximum, minimum, commitment, case
        when has_commitment and coalesce(modifiers->>'$.commitment.true_up', 'true') = 'true'
            then greatest(commitment_of - reached - commitment, 0) else 0 end]) as amount
from committed where commitment is not null
"""


EXPECTED = f"create or replace temp table second_expected as {_expected()}"
SAME = ", ".join(("contract_id", "item_id", "component", "window_start_on", "window_end_on"))
# Lines that modifiers made, with what they should come to; those that they should have made.
WITH_MADE = f"""
create or replace temp table second_lines as
select lines.* replace (
    coalesce(expected.amount, lines.amount) as amount,
    coalesce(expected.places, lines.places) as places,
    case when expected.amount is null then lines.reason end as reason
)
from (from second_lines where is_made) as lines
left join second_expected as expected using ({SAME})
union all by name
from second_lines where not is_made
union all by name
select own.* replace (missing.component as component, missing.amount as amount,
    '{{}}' as dimensions, 0 as first_amount)
from (from second_expected anti join (from second_lines where is_made) using ({SAME})
    where amount <> 0) as missing
join (from second_lines where not is_made
    qualify row_number() over (partition by window_id order by dimensions) = 1) as own
    using (window_id)
"""
STATEMENTS = (DISCOUNTS, EXPECTED, WITH_MADE)
