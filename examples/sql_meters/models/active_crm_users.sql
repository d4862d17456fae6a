{{ config(tags=['meter']) }}

with

asks as (

    select * from {{ asked() }} as asked

),

logins as (

    select
        asks.window_id,
        events.p_user_id as user_id,
        -- The CRM speaks of days, which begin at midnight of the contract's zone.
        cast(
            events.occurred_at + to_microseconds(switches.offset_seconds * 1000000) as date
        ) as local_day
    from asks
    inner join {{ live_events() }} as events
        on
            asks.customer_id = events.customer_id
            and events.event_type = 'login'
            and asks.window_start <= events.occurred_at
            and asks.window_end > events.occurred_at
    inner join {{ source('usage', 'zone_offsets') }} as switches
        on
            asks.zone = switches.zone
            and events.occurred_at >= switches.valid_from
            and events.occurred_at < switches.valid_to

)

select
    logins.window_id,
    '{}' as dimensions,
    count(*) as event_count,
    cast(count(distinct logins.user_id) as decimal(38, 12)) as quantity
from logins
inner join {{ ref('crm_users') }} as crm
    on
        logins.user_id = crm.user_id
        and logins.local_day >= crm.valid_from
        and logins.local_day < coalesce(crm.valid_to, date '9999-12-31')
where crm.plan <> 'internal'
group by logins.window_id
