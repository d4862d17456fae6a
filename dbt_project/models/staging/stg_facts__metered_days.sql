{# New events added up per customer, meter version, zone and local day. -#}
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
        offsets.valid_from,
        offsets.valid_to,
        offsets.offset_seconds * 1000000 + {{ us_per_day }} * {{ shift_days }} as shift_us
    from plan
    inner join offsets on plan.zone = offsets.zone

),

summed as (

    {{ metered_sums(false, us_per_day) }}
    union all
    {{ metered_sums(true, us_per_day) }}

)

select
    plan.customer_id,
    plan.meter_id,
    plan.meter_version,
    plan.zone,
    date '1970-01-01' + (summed.day_no - {{ shift_days }}) as local_day,
    cast(summed.event_count as bigint) as event_count,
    -- A property that is not required may be missing: such an event adds nothing.
    cast(coalesce({{ quantity_of_meter() }}, 0) as decimal(38, 12)) as quantity
from summed
inner join plan on summed.plan_no = plan.plan_no
