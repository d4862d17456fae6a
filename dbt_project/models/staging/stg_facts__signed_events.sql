{# Every accepted event once, and once more with sign -1 where a newer version or a void took it
   away. A void adds nothing: it has no row of its own, and what it took away is gone already
   where the event is amended later.
   The source is read under two names: DuckDB keeps a CTE that is used twice in memory, whole. -#}
with

accepted as (

    select
        *,
        1 as sign,
        false as is_superseded,
        false as is_voided
    from {{ source('facts', 'usage_events') }}
    where action is distinct from 'void'

),

older as (

    select * from {{ source('facts', 'usage_events') }}
    where action is distinct from 'void'

),

restated as (

    select * from {{ source('ops', 'restated') }}

),

-- The older version is taken away under the number of what replaced it. The few that are replaced
-- are a table of their own: a join of all events with themselves took minutes.
replaced as (

    select
        older.* replace (restated.batch_seq as batch_seq),
        -1 as sign,
        not restated.is_void as is_superseded,
        restated.is_void as is_voided
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
