{# The windows whose determinants are not what they would be now: all of them after they were cut
   anew, else those that read a day with new usage, were measured after their determinants were made (in
   this run, or in one that stopped in between), or belong to SQL meters. -#}

with

windows as (

    select * from {{ source('billing', 'charge_windows') }}
    where component = 'usage'

),

members as (

    select * from {{ source('billing', 'window_members') }}

),

-- Windows once for each customer whose usage they count, and the days on which they do.
readers as (

    select
        window_id,
        meter_id,
        meter_version,
        zone,
        customer_id,
        window_start_on as from_on,
        window_end_on as until_on
    from windows
    where usage_of is null
    union all
    select
        windows.window_id,
        windows.meter_id,
        windows.meter_version,
        windows.zone,
        members.customer_id,
        members.from_on,
        members.until_on
    from windows
    inner join members on windows.window_id = members.window_id

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
select readers.window_id
from readers
inner join rules
    on readers.meter_id = rules.meter_id and readers.meter_version = rules.meter_version
inner join new_days
    on
        readers.customer_id = new_days.customer_id
        and readers.meter_id = new_days.meter_id
        and readers.meter_version = new_days.meter_version
        and readers.zone = new_days.zone
        and readers.until_on > new_days.local_day
where rules.recurring or readers.from_on <= new_days.local_day
union
select remeasured.window_id from {{ source('ops', 'remeasured') }} as remeasured
union
select sql_asks.window_id from {{ source('ops', 'sql_asks') }} as sql_asks
union
select sql_frozen.window_id from {{ source('ops', 'sql_frozen') }} as sql_frozen
