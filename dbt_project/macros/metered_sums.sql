{# New events added up per row of the plan and local day, for meters with or without a filter. One
   join and two whole numbers to group by: names and types of meters come after the sum.
   The reading says from when to when an offset holds, and how far it shifts an instant. #}
{% macro metered_sums(is_filtered, us_per_day) %}
    {% set texts = property_columns('text') if is_filtered else [] %}
    select
        plan.plan_no,
        cast((epoch_us(events.occurred_at) + plan.shift_us) // {{ us_per_day }} as integer) as day_no,
        sum(events.sign) as event_count
        {% for name in property_columns('number') %},
        sum(case when events.sign < 0 then -events.{{ name }} else events.{{ name }} end)
            as {{ name }}
        {% endfor %}
    from events
    inner join
        (
            select
                plan_no, customer_id, event_type, from_seq, valid_from, valid_to, shift_us
                {% for name in texts %}, filter_{{ name }}{% endfor %}
            from reading
            where is_filtered = {{ is_filtered }}
        ) as plan
        on
            events.customer_id = plan.customer_id
            and events.event_type = plan.event_type
            and events.batch_seq > plan.from_seq
            and events.occurred_at >= plan.valid_from
            and events.occurred_at < plan.valid_to
    where {{ matches_filter(texts) }}
    group by plan.plan_no, day_no
{% endmacro %}

{# The quantity of one meter among the sums of all: those of the property it adds up. Each sum is
   cast by itself: a CASE of sums with other places would round them all to those of one. #}
{% macro quantity_of_meter() %}
    case
        when plan.aggregation = 'count' then cast(summed.event_count as decimal(38, 12))
        {% for name in property_columns('number') %}
        when plan.property = '{{ name }}' then cast(summed.{{ name }} as decimal(38, 12))
        {% endfor %}
    end
{% endmacro %}
