{# Every accepted event once, and once more with sign -1 where a newer version replaced it.
   The source is read under two names: DuckDB keeps a CTE that is used twice in memory, whole. -#}
with

accepted as (

    select
        *,
        1 as sign,
        false as is_superseded
    from {{ source('facts', 'usage_events') }}

),

older as (

    select * from {{ source('facts', 'usage_events') }}

),

restated as (

    select * from {{ source('ops', 'restated') }}

),

-- A restated event takes its older version away again, under the number of the newer. The few
-- that are restated are a table of their own: a join of all events with themselves took minutes.
replaced as (

    select
        older.* replace (restated.batch_seq as batch_seq),
        -1 as sign,
        true as is_superseded
    from restated
    inner join older
        on
            restated.replaces_seq = older.batch_seq
            and restated.replaces_row = older.row_no

)

-- All columns: the book adds properties.
select * from accepted  -- noqa: AM04
union all by name
select * from replaced
