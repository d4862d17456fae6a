{# The windows whose determinants are not what they would be now: all of them after they were cut
   anew, else those that read a day with new usage, were measured after their determinants were made (in
   this run, or in one that stopped in between), or belong to SQL meters. -#}

with

windows as (

    select * from {{ source('billing', 'charge_windows') }}
    where component = 'usage'

),

-- The batch up to which the determinants that stand were made; null where none do.
determined as (

    select max(known_at) as known_at from {{ source('ops', 'determined') }}

),

rules as (

    select * from {{ source('ops', 'meter_rules') }}

),

new_days as (

    select distinct
        daily.customer_id,
        daily.meter_id,
        daily.meter_version,
        daily.zone,
        daily.local_day
    from {{ ref('daily') }} as daily
    cross join determined
    where daily.folded_seq > determined.known_at

)

select windows.window_id
from windows
cross join determined
where determined.known_at is null
union
select windows.window_id
from windows
inner join rules
    on windows.meter_id = rules.meter_id and windows.meter_version = rules.meter_version
inner join new_days
    on
        windows.customer_id = new_days.customer_id
        and windows.meter_id = new_days.meter_id
        and windows.meter_version = new_days.meter_version
        and windows.zone = new_days.zone
        and windows.window_end_on > new_days.local_day
where rules.recurring or windows.window_start_on <= new_days.local_day
union
select remeasured.window_id from {{ source('ops', 'remeasured') }} as remeasured
union
select sql_asks.window_id from {{ source('ops', 'sql_asks') }} as sql_asks
union
select sql_frozen.window_id from {{ source('ops', 'sql_frozen') }} as sql_frozen
