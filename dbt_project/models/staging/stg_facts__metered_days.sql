{# New events added up per row of the plan and local day. One join and two whole numbers to group
   by: names and types of meters come after the sum. -#}
{% set numbers = property_columns('number') %}
{% set texts = property_columns('text') %}
{% set us_per_day = 86400000000 %}
{# Days are counted from long before the first, for a quotient of negative numbers is cut. #}
{% set shift_days = 1000000 %}

with

events as (

    select * from {{ ref('stg_facts__new_events') }}

),

plan as (

    select * from {{ source('ops', 'fold_plan') }}

),

-- Each row of the plan with the offsets of its zone: where in the year it is summer time.
reading as (

    select
        plan.*,
        offsets.valid_from,
        offsets.valid_to,
        offsets.offset_seconds * 1000000 + {{ us_per_day }} * {{ shift_days }} as shift_us
    from plan
    inner join {{ source('usage', 'zone_offsets') }} as offsets on plan.zone = offsets.zone

),

{% for is_filtered in (false, true) %}
{{ 'filtered' if is_filtered else 'unfiltered' }} as (

    select
        plan.plan_no,
        cast((epoch_us(events.occurred_at) + plan.shift_us) // {{ us_per_day }} as integer)
            as day_no,
        sum(events.sign) as event_count
        {% for name in numbers %},
        sum(case when events.sign < 0 then -events.{{ name }} else events.{{ name }} end)
            as {{ name }}
        {% endfor %}
    from events
    inner join
        (
            select
                plan_no,
                customer_id,
                event_type,
                from_seq,
                valid_from,
                valid_to,
                shift_us
                {% if is_filtered %}{% for name in texts %},
                filter_{{ name }}
                {% endfor %}{% endif %}
            from reading
            where {{ 'is_filtered' if is_filtered else 'not is_filtered' }}
        ) as plan
        on
            events.customer_id = plan.customer_id
            and events.event_type = plan.event_type
            and events.batch_seq > plan.from_seq
            and events.occurred_at >= plan.valid_from
            and events.occurred_at < plan.valid_to
    {% if is_filtered %}where {{ matches_filter(texts) }}{% endif %}
    group by plan.plan_no, day_no

),
{% endfor %}

summed as (

    select * from unfiltered
    union all
    select * from filtered

)

select
    plan.customer_id,
    plan.meter_id,
    plan.meter_version,
    plan.zone,
    date '1970-01-01' + (summed.day_no - {{ shift_days }}) as local_day,
    cast(summed.event_count as bigint) as event_count,
    -- A property that is not required may be missing: such an event adds nothing.
    cast(
        coalesce(
            case
                when plan.aggregation = 'count' then summed.event_count
                {% for name in numbers %}
                when plan.property = '{{ name }}' then summed.{{ name }}
                {% endfor %}
            end, 0
        ) as decimal(38, 12)
    ) as quantity
from summed
inner join plan on summed.plan_no = plan.plan_no
