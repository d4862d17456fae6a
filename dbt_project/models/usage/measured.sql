{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
        pre_hook=[
            "{% if is_incremental() %}
             delete from {{ this }} where window_id in (select window_id from ops.asks)
             or window_id not in (select window_id from ops.wanted_asks)
             {% endif %}",
        ],
        post_hook=[
            "delete from ops.measured_asks where window_id in (select window_id from ops.asks)
             or window_id not in (select window_id from ops.wanted_asks)",
            "insert into ops.measured_asks select window_id, ask_hash from ops.asks",
            "insert into ops.remeasured select distinct window_id from ops.asks",
            "delete from ops.measured_to",
            "insert into ops.measured_to select known_at from ops.run",
        ],
    )
}}
{# The statement is the run's: it reads every aggregation from events, also for an estimate.
   depends_on: {{ source('facts', 'usage_events') }} {{ source('ops', 'restated') }}
   {{ source('usage', 'zone_offsets') }} #}

with

measured as (

    {{ measure_statement() }}

),

asks as (

    select * from {{ source('ops', 'asks') }}

)

select
    asks.window_id,
    measured.dimensions,
    cast(sum(measured.event_count) as bigint) as event_count,
    cast(coalesce(sum(measured.numerator), 0) as decimal(38, 12)) as numerator,
    cast(greatest(max(measured.denominator), 1) as hugeint) as denominator,
    bool_or(measured.numerator is not null) as is_measured
from measured
inner join asks on measured.ask_no = asks.ask_no
group by asks.window_id, measured.dimensions
