{# One row per new event of an unclear day: whether a charge window reads it, and if not, why. -#}

with

unclear_days as (

    select * from {{ ref('stg_facts__unclear_days') }}

),

events as (

    select events.*
    from {{ ref('stg_facts__new_events') }} as events
    inner join {{ source('ops', 'fate_plan') }} as fate_plan
        on
            events.customer_id = fate_plan.customer_id
            and events.batch_seq > fate_plan.from_seq
    semi join unclear_days
        on
            events.customer_id = unclear_days.customer_id
            and events.event_type = unclear_days.event_type
            and events.event_day = unclear_days.event_day

),

plan as (

    select
        meter_no,
        meter_id,
        meter_version,
        event_type
    from {{ source('ops', 'meter_rules') }}

),

coverage as (

    select * from {{ source('billing', 'coverage') }}

),

metered_types as (

    select distinct event_type from {{ source('book', 'meters') }}
    where event_type is not null

),

judged as (

    select
        events.customer_id,
        events.event_type,
        events.event_day,
        events.batch_seq,
        events.row_no,
        events.source,
        events.event_id,
        events.sign,
        events.is_superseded,
        events.is_voided,
        coalesce(bool_or(metered_types.event_type is not null), false) as has_meter,
        coalesce(bool_or(plan.event_type = events.event_type), false) as is_covered,
        coalesce(
            bool_or(
                plan.event_type = events.event_type and {{ passes_filter('plan.meter_no') }}
            ),
            false
        ) as is_read,
        coalesce(bool_or(coverage.contract_id is not null), false) as has_contract
    from events
    left join coverage
        on
            events.customer_id = coverage.customer_id
            and events.occurred_at >= coverage.covered_from
            and events.occurred_at < coverage.covered_to
    left join plan
        on
            coverage.meter_id = plan.meter_id
            and coverage.meter_version = plan.meter_version
    left join metered_types on events.event_type = metered_types.event_type
    group by
        events.customer_id, events.event_type, events.event_day, events.batch_seq,
        events.row_no, events.source, events.event_id, events.sign, events.is_superseded,
        events.is_voided

)

select
    *,
    case
        when is_read then 'read'
        when not has_meter then 'no_meter'
        when is_covered then 'excluded'
        when has_contract then 'not_in_contract'
        else 'no_contract'
    end as fate
from judged
