with

-- Read twice, and never to be kept in memory whole, as DuckDB would by itself.
events as not materialized (

    select * from {{ source('facts', 'usage_events') }}

),

accepted as (

    select
        *,
        1 as sign,
        false as is_superseded
    from events

),

restated as (

    select * from {{ source('ops', 'restated') }}

),

-- A restated event takes its older version away again, under the number of the newer. The few
-- that are restated are a table of their own: a join of all events with themselves took minutes.
replaced as (

    select
        events.* replace (restated.batch_seq as batch_seq),
        -1 as sign,
        true as is_superseded
    from restated
    inner join events
        on
            restated.replaces_seq = events.batch_seq
            and restated.replaces_row = events.row_no

)

-- All columns: the book adds properties.
select * from accepted  -- noqa: AM04
union all by name
select * from replaced
