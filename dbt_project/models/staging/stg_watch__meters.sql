{# The thresholds of each meter and the days it is judged on. A meter whose sources have stopped is
   judged up to their last day: the sources are told, not each of their customers. -#}
with

run as (

    select * from {{ source('ops', 'run') }}

),

watch as (

    select * from {{ source('ops', 'watch') }}
    where meter_id is not null

),

meters as (

    select distinct
        meter_id,
        event_type
    from {{ source('book', 'meters') }}

),

source_ends as (

    select
        source,
        max(event_day) + 1 as end_on
    from {{ source('ops', 'source_days') }}
    group by source

),

types as (

    select distinct
        source,
        event_type
    from {{ source('ops', 'source_days') }}

),

ends as (

    select
        meters.meter_id,
        least(run.through, max(source_ends.end_on)) as end_on
    from meters
    inner join types on meters.event_type = types.event_type
    inner join source_ends on types.source = source_ends.source
    cross join run
    group by meters.meter_id, run.through

)

select
    ends.meter_id,
    ends.end_on,
    watch.is_ignored,
    watch.new_customer_days,
    watch.drop_used_days,
    watch.drop_of_days,
    watch.drop_quiet_days,
    watch.drop_told_days,
    watch.spike_factor,
    watch.spike_peak_factor,
    watch.spike_above,
    watch.spike_used_days,
    watch.spike_of_days,
    watch.spike_told_days,
    -- A gap before the days that count has to be seen too.
    ends.end_on - cast(
        greatest(
            watch.drop_told_days + 2 * watch.drop_of_days,
            watch.spike_told_days + watch.spike_of_days
        ) as integer
    ) as from_on
from ends
inner join watch on ends.meter_id = watch.meter_id
