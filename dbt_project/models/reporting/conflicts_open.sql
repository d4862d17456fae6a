with

steps as (

    select * from {{ source('facts', 'conflicts') }}

),

ended as (

    select
        original_seq,
        original_row
    from steps
    where status in ('kept_first', 'took_new')

),

still_open as (

    select
        steps.batch_seq,
        steps.row_no,
        steps.source,
        steps.event_id,
        steps.event_type,
        steps.subject,
        steps.customer_id,
        steps.first_occurred_at,
        steps.occurred_at,
        steps.time_text,
        steps.data,
        steps.first_seq,
        steps.first_row,
        steps.source_row,
        steps.received_at
    from steps
    left join ended
        on
            steps.batch_seq = ended.original_seq
            and steps.row_no = ended.original_row
    where
        steps.status = 'open'
        and ended.original_seq is null

)

select * from still_open
