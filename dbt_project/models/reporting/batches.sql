with

batches as (

    select * from {{ source('facts', 'batches') }}

),

balanced as (

    select
        batch_seq,
        row_no,
        source,
        kind,
        name,
        content_sha256,
        received_at,
        received,
        released,
        accepted,
        duplicate,
        conflict,
        quarantined,
        refused,
        received + released - accepted - duplicate - conflict - quarantined - refused as difference
    from batches

)

select * from balanced
