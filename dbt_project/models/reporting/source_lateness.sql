with

sources as (

    select * from {{ ref('stg_watch__sources') }}

),

batches as (

    select
        source,
        max(batch_seq) as last_batch_seq,
        max(received_at) as last_received_at
    from {{ source('facts', 'batches') }}
    group by source

),

joined as (

    select
        sources.source,
        sources.judged_on,
        sources.first_event_day,
        sources.last_event_day,
        cast(sources.event_days as bigint) as event_days,
        batches.last_batch_seq,
        batches.last_received_at,
        sources.expected_every_days is null as is_learnt,
        sources.usual_gap_days,
        sources.gap_so_far_days,
        sources.days_late,
        sources.status
    from sources
    left join batches on sources.source = batches.source

)

select * from joined
