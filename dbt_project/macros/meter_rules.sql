{# The rules of meters as the run wrote them: an expression over one event for each of them. #}
{% macro meter_rules(which, column) %}
    {% set rules = [] %}
    {% if execute %}
        {% set found = run_query(
            'select meter_no, ' ~ column ~ ' from ops.meter_rules where ' ~ which
            ~ ' order by meter_no'
        ) %}
        {% for row in found.rows %}
            {% do rules.append((row[0] | int, row[1])) %}
        {% endfor %}
    {% endif %}
    {{ return(rules) }}
{% endmacro %}

{# What a rule says of an event of relation `events`, by the number of the meter. #}
{% macro by_meter(meter_no, which, column, otherwise) %}
    {% set rules = meter_rules(which, column) %}
    {% if rules %}
    case {{ meter_no }}
        {% for number, expression in rules %}
        when {{ number }} then {{ expression }}
        {% endfor %}
        else {{ otherwise }}
    end
    {% else %}
    {{ otherwise }}
    {% endif %}
{% endmacro %}

{# Whether an event passes the filter of the meter of that number. #}
{% macro passes_filter(meter_no) %}
    ({{ by_meter(meter_no, 'is_filtered', 'filter_sql', 'true') }})
{% endmacro %}
