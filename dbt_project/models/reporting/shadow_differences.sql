with

lines as (

    select * from {{ source('billing', 'shadow_lines') }}

),

windows as (

    select * from {{ source('billing', 'charge_windows') }}

),

billed as (

    select distinct window_id from {{ source('facts', 'billed_lines') }}

),

summed as (

    select
        shadow_id,
        window_id,
        max(case when side = 'shadow' then meter_id end) as shadow_meter_id,
        max(case when side = 'shadow' then meter_version end) as shadow_meter_version,
        cast(sum(case when side = 'live' then quantity else 0 end) as decimal(38, 12))
            as live_quantity,
        cast(sum(case when side = 'shadow' then quantity else 0 end) as decimal(38, 12))
            as shadow_quantity,
        cast(sum(case when side = 'live' then amount else 0 end) as decimal(38, 18))
            as live_amount,
        cast(sum(case when side = 'shadow' then amount else 0 end) as decimal(38, 18))
            as shadow_amount
    from lines
    group by shadow_id, window_id

),

compared as (

    select
        windows.customer_id,
        windows.contract_id,
        windows.item_id,
        windows.window_id,
        windows.window_start_on,
        windows.window_end_on,
        windows.meter_id,
        summed.shadow_meter_id,
        summed.shadow_meter_version,
        summed.live_quantity,
        summed.shadow_quantity,
        cast(summed.shadow_quantity - summed.live_quantity as decimal(38, 12))
            as quantity_difference,
        windows.currency,
        summed.live_amount,
        summed.shadow_amount,
        cast(summed.shadow_amount - summed.live_amount as decimal(38, 18)) as amount_difference,
        billed.window_id is not null as is_billed
    from summed
    inner join windows on summed.window_id = windows.window_id
    left join billed on summed.window_id = billed.window_id
    where summed.shadow_meter_id is not null

)

select * from compared
