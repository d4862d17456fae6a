{% set numbers = property_columns('number') %}
{% set texts = property_columns('text') %}

with

events as (

    select * from {{ ref('stg_facts__signed_events') }}

),

plan as (

    select * from {{ source('ops', 'fold_plan') }}

),

metered as (

    select
        events.customer_id,
        plan.meter_id,
        plan.meter_version,
        plan.zone,
        events.occurred_at,
        events.batch_seq,
        events.sign,
        cast(
            case
                when plan.aggregation = 'count' then 1
                {% for name in numbers %}
                when plan.property = '{{ name }}' then events.{{ name }}
                {% endfor %}
            end as decimal(38, 12)
        ) as quantity
    from events
    inner join plan
        on
            events.customer_id = plan.customer_id
            and events.event_type = plan.event_type
            and events.batch_seq > plan.from_seq
    where
        true
        {% for name in texts %}
        and (
            plan.filter_{{ name }} is null
            or list_contains(plan.filter_{{ name }}, cast(events.{{ name }} as varchar))
        )
        {% endfor %}

)

select * from metered
