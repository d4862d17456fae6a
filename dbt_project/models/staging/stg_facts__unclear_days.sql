{# Customers, types and UTC days whose events have to be judged one by one; null is every day. -#}

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
    coverage.customer_id,
    rules.event_type,
    cast(null as date) as event_day
from coverage
inner join {{ source('ops', 'meter_rules') }} as rules
    on coverage.meter_id = rules.meter_id and coverage.meter_version = rules.meter_version
where rules.is_filtered
