-- Question: How does a customer's month go day by day, against the month before?
-- Row: meter and day of the month, up to the last day with usage in either month
-- Parameter customer (text, required): Customer id.
-- Parameter month (date, default the customer's newest month with usage): First day of the month.
-- Parameter meter (text, default all): Meter id.
-- Column meter_id: Meter that counted.
-- Column local_day: Day of the month, in the zone of the customer's first contract.
-- Column quantity: Quantity of the day, in unit; 0 if nothing was used.
-- Column quantity_before: Quantity of the same day of the month before; 0 if nothing or no such day.
-- Column total: Quantity of the month up to the day, in unit.
-- Column total_before: Quantity of the month before up to the same day, in unit.
-- Column difference: total less total_before, in unit.
-- Column unit: Unit of the meter.
with

used as (

    select * from reporting.usage_by_day
    where customer_id = $customer and meter_id = coalesce($meter, meter_id)

),

asked as (

    select
        cast(
            date_trunc(
                'month', coalesce(cast($month as date), (select max(local_day) from used))
            ) as date
        ) as month_on

),

numbered as (

    select
        used.meter_id,
        used.unit,
        day(used.local_day) as day_no,
        case when used.local_day >= asked.month_on then used.quantity end as quantity,
        case when used.local_day < asked.month_on then used.quantity end as quantity_before
    from used
    cross join asked
    where
        used.local_day >= asked.month_on - interval 1 month
        and used.local_day < asked.month_on + interval 1 month

),

days as (

    select
        meters.meter_id,
        meters.unit,
        days.day_no
    from (select distinct meter_id, unit from numbered) as meters
    cross join
        (select unnest(range(1, (select max(day_no) + 1 from numbered))) as day_no) as days

),

compared as (

    select
        days.meter_id,
        days.unit,
        days.day_no,
        coalesce(sum(numbered.quantity), 0) as quantity,
        coalesce(sum(numbered.quantity_before), 0) as quantity_before
    from days
    left join numbered
        on
            days.meter_id = numbered.meter_id
            and days.unit = numbered.unit
            and days.day_no = numbered.day_no
    group by all

),

added as (

    select
        *,
        sum(quantity) over days as total,
        sum(quantity_before) over days as total_before
    from compared
    window days as (partition by meter_id, unit order by day_no)

)

select
    added.meter_id,
    cast(asked.month_on + to_days(cast(added.day_no - 1 as integer)) as date) as local_day,
    cast(added.quantity as decimal(38, 12)) as quantity,
    cast(added.quantity_before as decimal(38, 12)) as quantity_before,
    cast(added.total as decimal(38, 12)) as total,
    cast(added.total_before as decimal(38, 12)) as total_before,
    cast(added.total - added.total_before as decimal(38, 12)) as difference,
    added.unit
from added
cross join asked
order by added.meter_id, added.day_no
