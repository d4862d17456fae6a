{# New events added up per customer, additive meter, zone, local day and dimensions. -#}
{% set us_per_day = 86400000000 %}
{# Days are counted from long before the first, for a quotient of negative numbers is cut. #}
{% set shift_days = 1000000 %}

with

-- Read twice, and never to be kept in memory whole, as DuckDB would by itself.
events as not materialized (

    select * from {{ ref('stg_facts__new_events') }}

),

plan as (

    select * from {{ source('ops', 'fold_plan') }}

),

offsets as (

    select * from {{ source('usage', 'zone_offsets') }}

),

-- Each row of the plan with the offsets of its zone.
reading as (

    select
        plan.*,
        plan.clock = 'received' as is_received,
        offsets.valid_from,
        offsets.valid_to,
        {{ shift_days }} as shift_days,
        offsets.offset_seconds * 1000000 + {{ us_per_day }} * {{ shift_days }} as shift_us
    from plan
    inner join offsets on plan.zone = offsets.zone

),

plain_summed as (

    {{ plain_sums(us_per_day) }}

),

plain_days as (

    select
        summed.plan_no,
        summed.day_no,
        '{}' as dimensions,
        summed.event_count,
        {{ values_of_meter() }} as value_count,
        {{ quantity_of_meter() }} as quantity,
        cast(0 as decimal(38, 12)) as moment
    from plain_summed as summed
    inner join plan on summed.plan_no = plan.plan_no

),

summed as (

    select * from plain_days
    {{ and_ruled_days(us_per_day) }}

)

select
    plan.customer_id,
    plan.meter_id,
    plan.meter_version,
    plan.zone,
    date '1970-01-01' + (summed.day_no - {{ shift_days }}) as local_day,
    summed.dimensions,
    cast(summed.event_count as bigint) as event_count,
    cast(summed.value_count as bigint) as value_count,
    -- A property that is not required may be missing: such an event adds nothing.
    cast(coalesce(summed.quantity, 0) as decimal(38, 12)) as quantity,
    cast(coalesce(summed.moment, 0) as decimal(38, 12)) as moment
from summed
inner join plan on summed.plan_no = plan.plan_no
