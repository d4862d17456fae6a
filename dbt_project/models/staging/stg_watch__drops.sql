{# Meters that a customer used regularly and uses no more: one row per customer and meter that has
   been silent for longer than ever in the days before. -#}
with

days as (

    select * from {{ ref('stg_watch__days') }}

),

meters as (

    select * from {{ ref('stg_watch__meters') }}

),

customers as (

    select * from {{ ref('stg_watch__customers') }}

),

gaps as (

    select
        *,
        local_day - lag(local_day) over (
            partition by customer_id, meter_id order by local_day
        ) as gap_days,
        max(local_day) over (partition by customer_id, meter_id) as last_day
    from days

),

habits as (

    select
        gaps.customer_id,
        gaps.meter_id,
        gaps.last_day,
        gaps.end_on - gaps.last_day - 1 as silent_days,
        meters.is_ignored,
        meters.new_customer_days,
        meters.drop_used_days,
        meters.drop_of_days as of_days,
        count(*) as used_days,
        coalesce(max(gaps.gap_days), 1) as longest_gap_days,
        quantile_disc(gaps.quantity, 0.5) as median_quantity
    from gaps
    inner join meters on gaps.meter_id = meters.meter_id
    where
        gaps.end_on - gaps.last_day - 1 between meters.drop_quiet_days and meters.drop_told_days
        and gaps.local_day > gaps.last_day - cast(meters.drop_of_days as integer)
    group by all

)

select
    habits.customer_id,
    habits.meter_id,
    habits.last_day,
    habits.silent_days,
    habits.used_days,
    habits.of_days,
    habits.longest_gap_days,
    habits.median_quantity,
    case
        when habits.is_ignored or customers.is_ignored then 'ignored'
        when habits.last_day - customers.first_on < habits.new_customer_days then 'new_customer'
        when customers.contract_end_on - habits.last_day <= habits.silent_days
            then 'contract_ended'
        else 'open'
    end as status
from habits
inner join customers on habits.customer_id = customers.customer_id
where
    habits.used_days >= habits.drop_used_days
    and habits.silent_days + 1 > habits.longest_gap_days
