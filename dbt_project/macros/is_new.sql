{# SQL over rows of facts: those that came since the model was made last. Facts only append, and what
   is new of them comes in batches with higher numbers. #}

{% macro is_new() -%}
    {%- if is_incremental() -%}
        batch_seq > (select coalesce(max(made.batch_seq), -1) from {{ this }} as made)
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
