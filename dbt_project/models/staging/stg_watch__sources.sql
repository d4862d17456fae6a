{# How long each watched source has been silent on `through`, and how long it usually is. -#}
with

run as (

    select * from {{ source('ops', 'run') }}

),

watch as (

    select * from {{ source('ops', 'watch') }}
    where source is not null

),

days as (

    select
        source,
        event_day,
        event_day - lag(event_day) over (partition by source order by event_day) as gap_days
    from {{ source('ops', 'source_days') }}
    group by source, event_day

),

-- A gap that came once may have been an outage; the second longest is one the source is used to.
habits as (

    select
        source,
        min(event_day) as first_event_day,
        max(event_day) as last_event_day,
        count(*) as event_days,
        quantile_disc(gap_days, 0.5) as median_gap_days,
        max(gap_days, 2)[2] as second_gap_days
    from days
    group by source

),

expected as (

    select
        watch.source,
        watch.is_ignored,
        watch.expected_every_days,
        watch.learn_from_days,
        habits.first_event_day,
        habits.last_event_day,
        run.through as judged_on,
        coalesce(habits.event_days, 0) as event_days,
        cast(
            coalesce(
                watch.expected_every_days,
                greatest(
                    watch.least_gap_days,
                    watch.gap_factor * habits.median_gap_days,
                    habits.second_gap_days + 1
                )
            ) as bigint
        ) as usual_gap_days,
        -- The next event comes on `through` at the earliest: the gap is so long already.
        case
            when habits.last_event_day is not null
                then greatest(run.through - habits.last_event_day, 0)
        end as gap_so_far_days
    from watch
    cross join run
    left join habits on watch.source = habits.source

)

select
    *,
    cast(greatest(coalesce(gap_so_far_days - usual_gap_days, 0), 0) as bigint) as days_late,
    case
        when is_ignored then 'ignored'
        when last_event_day is null and expected_every_days is null then 'no_events'
        when last_event_day is null then 'late'
        when expected_every_days is null and event_days < learn_from_days then 'learning'
        when gap_so_far_days > 3 * usual_gap_days then 'stopped'
        when gap_so_far_days > usual_gap_days then 'late'
        else 'on_time'
    end as status
from expected
