{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
        post_hook=[
            "delete from ops.fated where customer_id in (select customer_id from ops.fate_plan)",
            "insert into ops.fated
             select customer_id, coverage_hash, known_at from ops.fate_plan",
        ],
    )
}}

with

judged as (

    select * from {{ ref('stg_facts__judged_events') }}

),

days as (

    select * from {{ ref('stg_facts__judged_days') }}

),

run as (

    select * from {{ source('ops', 'run') }}

),

-- An older version leaves its fate and becomes superseded, a voided one becomes voided with the
-- record that voided it: the total stays the records accepted.
moved as (

    select
        customer_id,
        event_type,
        event_day,
        fate,
        sign as event_count
    from judged
    union all
    select
        customer_id,
        event_type,
        event_day,
        'superseded' as fate,
        1 as event_count
    from judged
    where is_superseded
    union all
    select
        customer_id,
        event_type,
        event_day,
        'voided' as fate,
        2 as event_count
    from judged
    where is_voided
    union all
    select
        customer_id,
        event_type,
        event_day,
        fate,
        event_count
    from days
    union all
    select
        customer_id,
        event_type,
        event_day,
        'superseded' as fate,
        superseded_count as event_count
    from days
    where superseded_count > 0
    union all
    select
        customer_id,
        event_type,
        event_day,
        'voided' as fate,
        2 * voided_count as event_count
    from days
    where voided_count > 0

),

counted as (

    select
        moved.customer_id,
        moved.event_type,
        moved.event_day,
        moved.fate,
        run.known_at as folded_seq,
        cast(sum(moved.event_count) as bigint) as event_count
    from moved
    cross join run
    group by all

)

select * from counted
