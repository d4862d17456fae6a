{# Events as additive meters read them: one row per event, customer's zone and meter of the plan. #}
{% macro metered_events(events, plan, extra=none) %}
    {% set numbers = property_columns('number') %}
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
    where {{ passes_filter('plan.meter_no') }}
{% endmacro %}
