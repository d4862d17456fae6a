with

steps as (

    select * from {{ source('facts', 'rejected_events') }}

),

ended as (

    select
        original_seq,
        original_row
    from steps
    where status in ('released', 'refused')

),

still_open as (

    select
        steps.batch_seq,
        steps.row_no,
        steps.source,
        steps.event_id,
        steps.event_type,
        steps.subject,
        steps.time_text,
        steps.reason,
        steps.detail,
        steps.data,
        steps.source_row,
        steps.received_at
    from steps
    left join ended
        on
            steps.batch_seq = ended.original_seq
            and steps.row_no = ended.original_row
    where
        steps.status = 'quarantined'
        and ended.original_seq is null

)

select * from still_open
