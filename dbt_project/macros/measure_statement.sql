{# The run's statement that reads every aggregation from events; before a run, one without rows. #}
{% macro measure_statement() %}
    {% if execute %}
    {{ run_query('select statement from ops.measure').rows[0][0] }}
    {% else %}
    select
        0 as ask_no,
        '' as dimensions,
        0 as event_count,
        0 as numerator,
        1 as denominator
    where false
    {% endif %}
{% endmacro %}
