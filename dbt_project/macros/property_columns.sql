{# The typed property columns of the usage events of one family: 'number' or 'text'. The table is
   named, not referred to as a source: models that read it by other models have unit tests too. #}
{% macro property_columns(family) %}
    {% set names = [] %}
    {% if execute %}
        {% set events = api.Relation.create(
            database=target.database, schema='facts', identifier='usage_events'
        ) %}
        {% for column in adapter.get_columns_in_relation(events) %}
            {% set is_number = column.data_type.lower().startswith('decimal') %}
            {% if column.name.startswith('p_') and is_number == (family == 'number') %}
                {% do names.append(column.name) %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {{ return(names) }}
{% endmacro %}

{# The columns of properties that events of some type may leave out. #}
{% macro optional_properties() %}
    {% set names = [] %}
    {% if execute %}
        {% set found = run_query('select distinct name from book.properties where not is_required') %}
        {% for row in found.rows %}
            {% do names.append('p_' ~ row[0]) %}
        {% endfor %}
    {% endif %}
    {{ return(names) }}
{% endmacro %}
