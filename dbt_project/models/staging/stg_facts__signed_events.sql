with

events as (

    select * from {{ source('facts', 'usage_events') }}

),

accepted as (

    select
        *,
        1 as sign,
        false as is_superseded
    from events

),

-- A restated event takes its older version away again, under the number of the newer.
replaced as (

    select
        events.* replace (accepted.batch_seq as batch_seq),
        -1 as sign,
        true as is_superseded
    from accepted
    inner join events
        on
            accepted.replaces_seq = events.batch_seq
            and accepted.replaces_row = events.row_no

)

-- All columns: the book adds properties.
select * from accepted  -- noqa: AM04
union all by name
select * from replaced
