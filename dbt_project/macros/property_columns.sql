{# The typed property columns of the usage events of one family: 'number' or 'text'. #}
{% macro property_columns(family) %}
    {% set names = [] %}
    {% if execute %}
        {% for column in adapter.get_columns_in_relation(source('facts', 'usage_events')) %}
            {% set is_number = column.data_type.lower().startswith('decimal') %}
            {% if column.name.startswith('p_') and is_number == (family == 'number') %}
                {% do names.append(column.name) %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {{ return(names) }}
{% endmacro %}
