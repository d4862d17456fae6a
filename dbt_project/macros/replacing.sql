{# A table or view takes the place of the one before it in one transaction: readers of the file see
   one or the other, and no copy under another name is made, renamed and dropped, which is most of
   what a small run would ask of the database. #}

{% materialization table, adapter='duckdb', supported_languages=['sql'] %}
    {% set target = this.incorporate(type='table') %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') %}
        {{ drop_before(load_cached_relation(this)) }}
        {{ create_table_as(False, target, compiled_code, 'sql') }}
    {% endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{% materialization view, adapter='duckdb' %}
    {% set target = this.incorporate(type='view') %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') %}
        {{ drop_before(load_cached_relation(this)) }}
        {{ get_create_view_as_sql(target, sql) }}
    {% endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# The statement that drops what stands in the place of a relation, whichever kind it is. #}
{% macro drop_before(existing) %}
    {% if existing is not none %}drop {{ existing.type }} if exists {{ existing }};{% endif %}
{% endmacro %}

{# What dbt-duckdb asks of the information schema, which lists the columns of the lake too. #}
{% macro duckdb__list_relations_without_caching(schema_relation) %}
    {% call statement('list_relations_without_caching', fetch_result=True) %}
        select '{{ schema_relation.database }}' as database, name, schema, type
        from (
            select database_name, schema_name as schema, table_name as name, 'table' as type
            from duckdb_tables()
            union all
            select database_name, schema_name, view_name, 'view' from duckdb_views()
        )
        where lower(schema) = '{{ schema_relation.schema | lower }}'
            and lower(database_name) = '{{ schema_relation.database | lower }}'
    {% endcall %}
    {{ return(load_result('list_relations_without_caching').table) }}
{% endmacro %}
