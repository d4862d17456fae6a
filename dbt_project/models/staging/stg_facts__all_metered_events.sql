{# Every event ever metered: what the daily aggregates are checked against. -#}
with

plan as (

    select * replace (0 as from_seq) from {{ source('ops', 'meter_plan') }}

)

{{ metered_events(ref('stg_facts__signed_events'), 'plan') }}
