{# What all SQL meters yield, one row per window and dimensions: an ask without an answer has
   quantity null, and a window whose billed quantity stands comes from ops.sql_frozen, `is_frozen`,
   converted and rounded already. meterhouse/run/meter_models.py has the models built before.
   Relations are named, not referred to as sources: models that read it have unit tests too. #}
{% macro sql_determinants() %}
    {% set answers = [] %}
    {% if execute %}
        {# Unit tests know no other models. #}
        {% for node in graph.get('nodes', {}).values() | sort(attribute='unique_id') %}
            {% if node.resource_type == 'model' and 'meter' in node.config.tags %}
                {% do answers.append((node.name, api.Relation.create(
                    database=node.database, schema=node.schema, identifier=node.alias
                ))) %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {% for name, relation in answers %}
    select
        asks.window_id,
        coalesce(answers.dimensions, '{}') as dimensions,
        coalesce(answers.event_count, 0) as event_count,
        answers.quantity,
        asks.meter_id,
        asks.meter_version,
        false as is_frozen
    from ops.sql_asks as asks
    left join {{ relation }} as answers on asks.window_id = answers.window_id
    where asks.model = '{{ name }}' and not asks.is_frozen
    union all
    {% endfor %}
    select
        window_id,
        dimensions,
        event_count,
        quantity,
        meter_id,
        meter_version,
        true as is_frozen
    from ops.sql_frozen
{% endmacro %}
