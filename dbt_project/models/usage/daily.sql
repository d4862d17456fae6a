{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
        post_hook=[
            "delete from ops.folded using ops.fold_plan as plan
             where folded.customer_id = plan.customer_id and folded.zone = plan.zone
             and folded.meter_id = plan.meter_id and folded.meter_version = plan.meter_version",
            "insert into ops.folded
             select customer_id, zone, meter_id, meter_version, known_at from ops.fold_plan",
        ],
    )
}}

with

days as (

    select * from {{ ref('stg_facts__metered_days') }}

),

run as (

    select * from {{ source('ops', 'run') }}

)

select
    days.customer_id,
    days.meter_id,
    days.meter_version,
    days.zone,
    days.local_day,
    days.dimensions,
    run.known_at as folded_seq,
    days.event_count,
    days.value_count,
    days.quantity,
    days.moment
from days
cross join run
