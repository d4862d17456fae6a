with

windows as (

    select * from {{ source('billing', 'charge_windows') }}
    where component = 'usage'

),

daily as (

    select * from {{ ref('daily') }}

),

measured as (

    select
        windows.window_id,
        windows.contract_id,
        windows.item_id,
        windows.component,
        windows.dimensions,
        windows.customer_id,
        windows.zone,
        windows.window_start_on,
        windows.window_end_on,
        windows.meter_id,
        windows.meter_version,
        cast(coalesce(sum(daily.quantity), 0) as decimal(38, 12)) as quantity,
        cast(coalesce(sum(daily.event_count), 0) as bigint) as event_count
    from windows
    left join daily
        on
            windows.customer_id = daily.customer_id
            and windows.meter_id = daily.meter_id
            and windows.meter_version = daily.meter_version
            and windows.zone = daily.zone
            and windows.window_start_on <= daily.local_day
            and windows.window_end_on > daily.local_day
    group by all

)

select
    md5(concat_ws('|', window_id, dimensions, meter_id, meter_version)) as determinant_id,
    *
from measured
