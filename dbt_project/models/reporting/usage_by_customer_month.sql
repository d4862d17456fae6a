with

days as (

    select * from {{ ref('usage_by_day') }}

),

summed as (

    select
        customer_id,
        meter_id,
        unit,
        zone,
        cast(date_trunc('month', local_day) as date) as local_month,
        cast(sum(quantity) as decimal(38, 12)) as quantity,
        cast(sum(event_count) as bigint) as event_count,
        count(*) as day_count
    from days
    group by all

)

select * from summed
