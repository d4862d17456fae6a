{# Events as meters read them: one row per event, customer's zone and meter version of the plan. #}
{% macro metered_events(events, plan, extra=none) %}
    {% set numbers = property_columns('number') %}
    {% set texts = property_columns('text') %}
    select
        events.customer_id,
        plan.meter_id,
        plan.meter_version,
        plan.zone,
        events.occurred_at,
        events.batch_seq,
        events.sign,
        {% if extra %}events.{{ extra }},{% endif %}
        -- A property that is not required may be missing: such an event adds nothing. Each is cast
        -- by itself, for a CASE of numbers with other places may round them.
        coalesce(
            case
                when plan.aggregation = 'count' then cast(1 as decimal(38, 12))
                {% for name in numbers %}
                when plan.property = '{{ name }}' then cast(events.{{ name }} as decimal(38, 12))
                {% endfor %}
            end, 0
        ) as quantity
    from {{ events }} as events
    inner join {{ plan }} as plan
        on
            events.customer_id = plan.customer_id
            and events.event_type = plan.event_type
            and events.batch_seq > plan.from_seq
    where {{ matches_filter(texts) }}
{% endmacro %}

{# Whether an event passes the filter of its meter: each named property has one of its values. #}
{% macro matches_filter(texts) %}
    true
    {% for name in texts %}
    and (
        plan.filter_{{ name }} is null
        or list_contains(plan.filter_{{ name }}, cast(events.{{ name }} as varchar))
    )
    {% endfor %}
{% endmacro %}
