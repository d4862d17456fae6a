{# Customers, types and UTC days whose events have to be judged one by one: a span of a contract
   begins or ends inside the day. -#}

with

coverage as (

    select * from {{ source('billing', 'coverage') }}

),

edges as (

    select
        customer_id,
        unnest([covered_from, covered_to]) as edge
    from coverage

),

types as (

    -- An event of a type without a meter has one fate whatever the day.
    select distinct event_type from {{ source('book', 'meters') }}
    where event_type is not null

)

select distinct
    edges.customer_id,
    types.event_type,
    cast(edges.edge as date) as event_day
from edges
cross join types
where edges.edge <> cast(cast(edges.edge as date) as timestamptz)
