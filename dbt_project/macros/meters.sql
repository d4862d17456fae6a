{# For SQL meters: what is asked, what was used, and helpers without floats. #}

{# The windows that this model has to answer, one row each. One that was billed already is not
   asked again, unless the meter says `reopen`. In a unit test the name is that of the model under
   test, which `this` is not. #}
{% macro asked() %}
    {% set name = '' %}
    {% if model is defined %}
        {% set name = (model.tested_node_unique_id or '').split('.')[-1] or model.name %}
    {% endif %}
    (select * from {{ source('ops', 'sql_asks') }} where model = '{{ name }}' and not is_frozen)
{% endmacro %}

{# The events that count: accepted, the newest version of each, not voided. #}
{% macro live_events() %}
    (
        select events.*
        from {{ source('facts', 'usage_events') }} as events
        anti join {{ source('ops', 'restated') }} as restated
            on events.batch_seq = restated.replaces_seq and events.row_no = restated.replaces_row
        where events.action is distinct from 'void'
    )
{% endmacro %}

{# numerator / denominator, exact and rounded once: to `places` decimals (at most 12) by `mode`
   (half_up: halves away from zero, ceiling, floor). Both are decimal(38, 12) or fit it. #}
{% macro exact_quotient(numerator, denominator, places, mode='half_up') %}
    case
        when cast({{ denominator }} as decimal(38, 12)) = trunc(cast({{ denominator }} as decimal(38, 12)))
            then exact_quotient(
                {{ numerator }}, cast({{ denominator }} as decimal(38, 12)), 1, 1, {{ places }}, '{{ mode }}'
            )
        else exact_quotient(
            {{ numerator }}, exact_digits(cast({{ denominator }} as decimal(38, 12))), 1000000000000,
            1, {{ places }}, '{{ mode }}'
        )
    end
{% endmacro %}

{# Dimensions as the canonical JSON text that keys are made of: dimensions(region='c.region'). #}
{% macro dimensions() %}
    {%- set parts = [] -%}
    {%- for name in kwargs | sort -%}
        {%- do parts.append("'\"" ~ name ~ "\":' || to_json(cast(" ~ kwargs[name] ~ " as varchar))") -%}
    {%- endfor -%}
    {%- if parts -%}
    '{' || {{ parts | join(" || ',' || ") }} || '}'
    {%- else -%}
    '{}'
    {%- endif -%}
{% endmacro %}

{# A file of the folder that holds the home's models, for read_csv and read_parquet. #}
{% macro models_file(name) %}{{ env_var('METERHOUSE_MODELS', 'no_models') }}{{ name }}{% endmacro %}
