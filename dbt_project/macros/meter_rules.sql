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

{# Which filters of its type an event passes, as the bits of one number. #}
{% macro passed_filters() %}
    {% set types = {} %}
    {% if execute %}
        {% set found = run_query(
            'select event_type, filter_sql, filter_bit from ops.meter_rules where is_filtered '
            ~ 'order by event_type, filter_bit'
        ) %}
        {% for row in found.rows %}
            {% do types.setdefault(row[0], []).append((row[1], row[2] | int)) %}
        {% endfor %}
    {% endif %}
    {% if types %}
    case events.event_type
        {% for name, filters in types.items() %}
        when {{ dbt.string_literal(dbt.escape_single_quotes(name)) }} then
            {% for expression, bit in filters %}
            case when {{ expression }} then {{ bit }}::bigint else 0 end{% if not loop.last %} +{% endif %}

            {% endfor %}
        {% endfor %}
        else 0
    end
    {% else %}
    0::bigint
    {% endif %}
{% endmacro %}
