"""What the second rater is asked: lines with the quantity, price and share they should cost by.

Read from the windows, the determinants and the book; of the lines that were billed only which ones
there are, and what they came to. `why_not` names in a few words what the second rater leaves out.
"""

from meterhouse.run.charged_lines import AGGREGATIONS
from meterhouse.second_rater.events import BY_EVENT, READS_EVENTS
from meterhouse.second_rater.levels import BY_MOVEMENT
from meterhouse.second_rater.numbers import UNITS, whole
from meterhouse.second_rater.pieces import BY_BUCKET, BY_KEYS, BY_PARTS
from meterhouse.second_rater.prices import MODELS
from meterhouse.second_rater.quantities import charged

# SQL over a price: whether its parts are in no table, but buckets of time, movements, or events.
READS_FACTS = f"(price_model in {(*BY_BUCKET, *BY_MOVEMENT)} or {READS_EVENTS})"
# Whose quantities depend on what a contract gives to several items.
GIVING = """
select contract_id from book.contracts where modifiers is not null and (
    json_array_length(modifiers, '$.pools') > 0 or contains(modifiers, '"unit":"units"')
)
"""
# Parts of divided periods that go on where the one before ended, with the units before each.
DIVIDED = f"""
select window_id, dimensions, parts, place, before, is_one_price, adds_up from (
    select *, count(distinct window_id) over period as parts, row_number() over own as place,
        sum(units) over own - units as before,
        count(distinct price) over period = 1 as is_one_price
    from (
        select charged.*, coalesce(aggregation, 'sum') in (
            'sum', 'count', 'weighted_sum', 'prorated_sum', 'prorated_unique_count'
        ) as adds_up
        from charged
        left join ({AGGREGATIONS.format(meters="book.meters")})
            using (meter_id, meter_version)
        left join book.contracts as contracts using (contract_id)
        where component = 'usage'
            and (window_start_on <> period_start_on or window_end_on <> period_end_on)
            and coalesce(split_tiers, 'continue') = 'continue'
            and coalesce(aggregation, 'sum') in ('sum', 'count', 'weighted_sum', 'prorated_sum',
                'prorated_unique_count', 'max', 'min', 'latest')
    )
    window period as (
        partition by contract_id, item_id, meter_id, period_start_on, period_end_on
    ),
    own as (
        partition by contract_id, item_id, meter_id, period_start_on, period_end_on, dimensions
        order by window_start_on, window_id
    )
) where parts > 1
"""
TURNS = """
coalesce(modifiers->>'$.convert', modifiers->>'$.free_quantity', modifiers->>'$.included_quantity')
    is not null
"""
# Prices of one tier for the whole quantity are charged in pieces when the price changes.
WHY_NOT = f"""
case when is_made then 'lines of ' || made_as
    when (contract_id, item_id) in (
        select (contract_id, item_id) from facts.imported_openings where kind = 'counter'
    ) then 'items with units counted by the system before'
    when price_model not in {MODELS} then price_model
    when measured is null and price_model not in {BY_PARTS} then 'without a quantity'
    when share_numerator is null or share_denominator is null then 'without a share'
    when parts > 1 and ({TURNS}) then 'converted or free units of a divided period'
    when share_numerator <> share_denominator
        and (modifiers->>'$.included_quantity.quantity') is not null
        then 'included units of an incomplete period'
    when contract_id in (select contract_id from giving) then 'units given by a contract'
    when component = 'usage' and price_model <> 'flat' and share_numerator <> share_denominator
        and regexp_matches(stub_flags, '[+](tiers|tier_flats|included|package)')
        then 'prices cut to an incomplete period'
    when place > 1 and not adds_up then 'parts of a period whose values do not add up'
    when place > 1 and not is_one_price and price_model in ('volume', 'bulk_bps')
        then price_model || ' over a change of price'
    when parts > 1 and price_model in {BY_PARTS} then price_model || ' in parts of a period'
    when ({READS_EVENTS}) and (parts > 1 or {TURNS})
        then price_model || ' of single events that are divided or turned'
    when {READS_FACTS} and window_id in (select window_id from billing.early_windows)
        then price_model || ' before the end of its window'
    when place > 1 and (before < 0 or units < 0) then 'parts of a period below zero'
end
"""
MEASURED = whole("cast(coalesce(determinants.quantity, windows.fixed_quantity) as varchar)", UNITS)
ABOVE = whole("cast(above_quantity as varchar)", UNITS)
# Where modifiers of an item count in full; what a threshold bills early is no whole period yet.
IS_WHOLE = """
window_start_on = period_start_on and window_end_on = period_end_on
    and share_numerator = share_denominator and coalesce(credit_numerator, 0) = 0
    and window_id not in (select window_id from billing.early_windows)
"""
ASKED = f"""
create or replace temp table second_asked as
with lines as (
    select billed.unit_no, billed.amount as first_amount, billed.component as made_as,
        windows.window_id is null as is_made,
        coalesce(windows.contract_id, billed.contract_id) as contract_id,
        coalesce(windows.customer_id, billed.customer_id) as customer_id,
        coalesce(windows.currency, billed.currency) as currency,
        billed.window_id, billed.dimensions, billed.item_id, billed.window_start_on,
        billed.window_end_on,
        windows.* exclude (window_id, contract_id, customer_id, currency, dimensions, item_id,
            window_start_on, window_end_on),
        {MEASURED} as measured, case when windows.price_model in {BY_EVENT}
            then determinants.determinant_id end as determinant_id
    from billing.desired_lines as billed
    semi join second_new using (unit_no)
    left join billing.charge_windows as windows using (window_id)
    left join usage.determinants as determinants
        on determinants.window_id = windows.window_id
        and determinants.dimensions = billed.dimensions
),
charged as ({charged("lines", "window_id")}),
giving as ({GIVING}),
divided as ({DIVIDED}),
flagged as (select contract_id, stub_flags from book.contracts where stub_flags is not null)
select row_number() over () as line_no, coalesce(determinant_id, window_id) as rated_id,
    unit_no, contract_id, customer_id, item_id, window_id,
    window_start_on, window_end_on, dimensions, currency, first_amount,
    coalesce(component, made_as) as component, price_model, price, units,
    case when component <> 'usage' and above_quantity > 0 then {ABOVE}
        when place > 1 and price_model <> 'flat' then before end as before,
    share_numerator, share_denominator, credit_numerator, credit_denominator, credit_basis,
    is_made, modifiers, {IS_WHOLE} as is_whole,
    component = 'fee' or price_model = 'flat' as is_shared, {WHY_NOT} as why_not
from charged
left join divided using (window_id, dimensions)
left join flagged using (contract_id)
"""
# What lines by parts are made of: the combinations of dimension values of their window.
PARTS = f"""
create or replace temp table second_measured as
select line_no, row_number() over () as part_no, dimensions as keys, determinants.quantity,
    1 as weight_numerator, 1 as weight_denominator
from (select line_no, window_id from second_asked where price_model in {BY_KEYS})
join usage.determinants as determinants using (window_id)
where determinants.dimensions <> '{{}}' or determinants.quantity <> 0
"""
# Lines of prices by bucket, movement and event, as parts.py reads them; what it finds joins the
# parts. Prices by event have a line for each combination of dimension values.
READ = f"""
create or replace temp view second_read as
select windows.* replace (asked.dimensions as dimensions), asked.rated_id
from billing.charge_windows as windows
join (
    select window_id, dimensions, rated_id from second_asked where why_not is null and {READS_FACTS}
) as asked using (window_id)
"""
WITH_READ = f"""
insert into second_measured
select line_no, part_no, keys, quantity, weight_numerator, weight_denominator
from frame_in join second_asked on second_asked.rated_id = frame_in.window_id
where why_not is null and {READS_FACTS}
"""
