with

drops as (

    select * from {{ ref('stg_watch__drops') }}

),

spikes as (

    select * from {{ ref('stg_watch__spikes') }}

),

both_kinds as (

    select
        customer_id,
        meter_id,
        'drop_to_zero' as kind,
        last_day as day_on,
        silent_days,
        cast(used_days as bigint) as used_days,
        of_days,
        cast(0 as decimal(38, 12)) as quantity,
        cast(median_quantity as decimal(38, 12)) as median_quantity,
        cast(0 as decimal(38, 1)) as factor,
        status
    from drops
    union all
    select
        customer_id,
        meter_id,
        'spike' as kind,
        local_day as day_on,
        cast(0 as bigint) as silent_days,
        cast(used_days as bigint) as used_days,
        of_days,
        cast(quantity as decimal(38, 12)) as quantity,
        cast(median_quantity as decimal(38, 12)) as median_quantity,
        cast(factor as decimal(38, 1)) as factor,
        status
    from spikes

)

select * from both_kinds
