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

events as (

    select * from {{ ref('stg_facts__metered_events') }}

),

offsets as (

    select * from {{ source('usage', 'zone_offsets') }}

),

run as (

    select * from {{ source('ops', 'run') }}

),

folded as (

    select
        events.customer_id,
        events.meter_id,
        events.meter_version,
        events.zone,
        cast(events.occurred_at + to_seconds(offsets.offset_seconds) as date) as local_day,
        '{}' as dimensions,
        run.known_at as folded_seq,
        cast(sum(events.sign) as bigint) as event_count,
        cast(sum(events.sign * events.quantity) as decimal(38, 12)) as quantity
    from events
    inner join offsets
        on
            events.zone = offsets.zone
            and events.occurred_at >= offsets.valid_from
            and events.occurred_at < offsets.valid_to
    cross join run
    group by all

)

select * from folded
