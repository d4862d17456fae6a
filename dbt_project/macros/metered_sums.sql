{# New events added up per row of the plan and local day. Plain meters, which take all events of
   their type and one property, share one pass: a join and two whole numbers to group by; which
   property a meter means is told after the sum.
   The reading says from when to when an offset holds, and how far it shifts an instant. #}
{% macro plain_sums(us_per_day) %}
    select
        plan.plan_no,
        cast((epoch_us(events.occurred_at) + plan.shift_us) // {{ us_per_day }} as integer) as day_no,
        sum(events.sign) as event_count
        {% for name in property_columns('number') %},
        sum(case when events.sign < 0 then -events.{{ name }} else events.{{ name }} end)
            as {{ name }},
        {% if name in optional_properties() %}
        sum(case when events.{{ name }} is null then 0 else events.sign end)
        {% else %}
        sum(events.sign)
        {% endif %}
            as n_{{ name }}
        {% endfor %}
    from events
    inner join
        (select * from reading where is_plain) as plan
        on
            events.customer_id = plan.customer_id
            and events.event_type = plan.event_type
            and events.batch_seq > plan.from_seq
            and events.occurred_at >= plan.valid_from
            and events.occurred_at < plan.valid_to
    group by plan.plan_no, day_no
{% endmacro %}

{# The same for additive meters with a filter, dimensions, a clock of their own or a level: the
   value of each event by the rule of its meter, and its value times its place in time. The moment
   is counted from the UTC midnight of the local day's date, in microseconds. #}
{% macro ruled_sums(us_per_day) %}
    select
        plan_no,
        day_no,
        dimensions,
        sum(sign) as event_count,
        sum(case when quantity is not null then sign else 0 end) as value_count,
        sum(case when sign < 0 then -quantity else quantity end) as quantity,
        sum(
            case when sign < 0 then -quantity else quantity end
            * cast(clock_us - {{ us_per_day }} * (day_no - shift_days) as decimal(18, 0))
        ) as moment
    from
        (
            select
                plan.plan_no,
                plan.shift_days,
                events.sign,
                epoch_us(case when plan.is_received then events.received_at else events.occurred_at end)
                    as clock_us,
                cast((clock_us + plan.shift_us) // {{ us_per_day }} as integer) as day_no,
                {{ by_meter('plan.meter_no', 'is_additive and not is_plain', 'dimensions_sql', "'{}'") }}
                    as dimensions,
                {{ by_meter('plan.meter_no', 'is_additive and not is_plain', 'value_sql', 'null::decimal(38, 12)') }}
                    as quantity
            from events
            inner join
                (select * from reading where not is_plain) as plan
                on
                    events.customer_id = plan.customer_id
                    and events.event_type = plan.event_type
                    and events.batch_seq > plan.from_seq
                    and case when plan.is_received then events.received_at else events.occurred_at end
                    >= plan.valid_from
                    and case when plan.is_received then events.received_at else events.occurred_at end
                    < plan.valid_to
            where {{ passes_filter('plan.meter_no') }}
        ) as read
    group by plan_no, day_no, shift_days, dimensions
{% endmacro %}

{# The days of meters with such rules, under those of plain ones; nothing where there are none. #}
{% macro and_ruled_days(us_per_day) %}
    {% if meter_rules('is_additive and not is_plain', 'meter_no') %}
    union all by name
    select * from ({{ ruled_sums(us_per_day) }}) as ruled_days
    {% endif %}
{% endmacro %}

{# How many of its events have a value, among the counts of all. #}
{% macro values_of_meter() %}
    case
        when plan.aggregation = 'count' then summed.event_count
        {% for name in property_columns('number') %}
        when plan.property = '{{ name }}' then summed.n_{{ name }}
        {% endfor %}
    end
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
