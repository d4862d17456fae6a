with

stated as (

    select * from {{ source('ops', 'stated_days') }}

),

held as (

    select
        source,
        event_day,
        cast(sum(events) as bigint) as events,
        cast(sum(total) as decimal(38, 12)) as total
    from {{ source('ops', 'held_days') }}
    group by all

),

sides as (

    select
        stated.source,
        stated.event_day,
        stated.property,
        stated.events as stated_events,
        coalesce(held.events, 0) as lake_events,
        -- A source that only counts adds up nothing on either side.
        coalesce(stated.total, 0) as stated_total,
        case when stated.property is null then 0 else coalesce(held.total, 0) end as lake_total
    from stated
    left join held
        on
            stated.source = held.source
            and stated.event_day = held.event_day

),

compared as (

    select
        source,
        event_day,
        property,
        stated_events,
        lake_events,
        lake_events - stated_events as events_difference,
        cast(stated_total as decimal(38, 12)) as stated_total,
        cast(lake_total as decimal(38, 12)) as lake_total,
        cast(lake_total - stated_total as decimal(38, 12)) as total_difference
    from sides

)

select * from compared
