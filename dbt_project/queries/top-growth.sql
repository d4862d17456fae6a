-- Question: Whose usage grew most from one month to the next?
-- Row: customer and meter with usage in either month, the largest growth of each meter first
-- Parameter month (date, default the newest month with usage): First day of the later month.
-- Parameter meter (text, default all): Meter id.
-- Parameter limit (integer, default 20): Rows for each meter.
-- Column meter_id: Meter that counted.
-- Column rank: Place among the customers of the meter, from 1.
-- Column customer_id: Customer who used.
-- Column quantity_before: Quantity of the month before, in unit; 0 if nothing was used.
-- Column quantity: Quantity of the month, in unit; 0 if nothing was used.
-- Column growth: Quantity less that of the month before, in unit.
-- Column growth_percent: Growth per hundred of the month before, cut to whole numbers; null from 0.
-- Column unit: Unit of the meter.
with

asked as (

    select
        coalesce(
            date_trunc('month', cast($month as date)),
            (select max(local_month) from reporting.usage_by_customer_month)
        ) as month_on

),

months as (

    select
        used.meter_id,
        used.customer_id,
        used.unit,
        sum(case when used.local_month < asked.month_on then used.quantity else 0 end) as before,
        sum(case when used.local_month = asked.month_on then used.quantity else 0 end) as after
    from reporting.usage_by_customer_month as used
    cross join asked
    where
        used.local_month in (asked.month_on, asked.month_on - interval 1 month)
        and used.meter_id = coalesce($meter, used.meter_id)
    group by all

)

select
    meter_id,
    row_number() over (
        partition by meter_id
        order by after - before desc, customer_id
    ) as rank,
    customer_id,
    cast(before as decimal(38, 12)) as quantity_before,
    cast(after as decimal(38, 12)) as quantity,
    cast(after - before as decimal(38, 12)) as growth,
    -- Whole numbers on both sides: division of decimals would go through floats.
    cast(
        cast((after - before) * 100000000 as hugeint)
        // nullif(cast(before * 1000000 as hugeint), 0) as bigint
    ) as growth_percent,
    unit
from months
qualify rank <= cast(coalesce($limit, '20') as bigint)
order by meter_id, rank
