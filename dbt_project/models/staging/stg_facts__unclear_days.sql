{# Customers, types and UTC days whose events have to be judged one by one; null is every day. -#}
{% set texts = property_columns('text') %}

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

)

select distinct
    edges.customer_id,
    types.event_type,
    cast(edges.edge as date) as event_day
from edges
cross join types
where edges.edge <> cast(cast(edges.edge as date) as timestamptz)
union
select distinct
    plan.customer_id,
    plan.event_type,
    cast(null as date) as event_day
from {{ source('ops', 'meter_plan') }} as plan
where plan.is_filtered
