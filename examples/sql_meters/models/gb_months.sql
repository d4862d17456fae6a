{{ config(tags=['meter']) }}

with

asks as (

    select * from {{ asked() }} as asked

),

-- Days that are over; the size of a day is the last one that was seen before it ended.
days as (

    select
        asks.window_id,
        asks.period_end_on - asks.period_start_on as period_days,
        day_after.starts_at as ends_at
    from asks
    cross join {{ source('ops', 'run') }} as run
    inner join {{ source('usage', 'zone_days') }} as each_day
        on
            asks.zone = each_day.zone
            and asks.window_start_on <= each_day.day
            and asks.window_end_on > each_day.day
            and run.through > each_day.day
    inner join {{ source('usage', 'zone_days') }} as day_after
        on
            each_day.zone = day_after.zone
            and each_day.day + 1 = day_after.day

),

snapshots as (

    select
        asks.window_id,
        events.p_volume as volume,
        events.p_bytes as bytes,
        events.occurred_at,
        events.occurred_at >= asks.window_start as is_inside
    from asks
    inner join {{ live_events() }} as events
        on
            asks.customer_id = events.customer_id
            and events.event_type = 'volume_snapshot'
            and asks.window_end > events.occurred_at
    qualify
        row_number() over (
            partition by asks.window_id, events.p_volume, events.occurred_at
            order by events.source desc, events.event_id desc
        ) = 1

),

volumes as (

    select distinct
        window_id,
        volume
    from snapshots

),

-- A day without a snapshot has the size of the last one before it.
sizes as (

    select
        days.window_id,
        days.period_days,
        cast(snapshots.bytes as decimal(38, 0)) as bytes
    from days
    inner join volumes on days.window_id = volumes.window_id
    asof inner join snapshots
        on
            volumes.window_id = snapshots.window_id
            and volumes.volume = snapshots.volume
            and days.ends_at > snapshots.occurred_at

),

counts as (

    select
        window_id,
        count(*) as event_count
    from snapshots
    where is_inside
    group by window_id

),

sums as (

    select
        window_id,
        period_days,
        cast(sum(bytes) as decimal(38, 12)) as byte_days
    from sizes
    group by window_id, period_days

)

select
    sums.window_id,
    '{}' as dimensions,
    coalesce(counts.event_count, 0) as event_count,
    {{ exact_quotient('sums.byte_days', 'sums.period_days', 12) }} as quantity
from sums
left join counts on sums.window_id = counts.window_id
