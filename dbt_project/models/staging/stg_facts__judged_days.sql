{# New events per customer, type and UTC day, on days that have one fate: no span of a contract
   begins or ends inside the day, and no meter of the type has a filter. -#}
with

events as (

    select events.*
    from {{ ref('stg_facts__new_events') }} as events
    inner join {{ source('ops', 'fate_plan') }} as fate_plan
        on
            events.customer_id = fate_plan.customer_id
            and events.batch_seq > fate_plan.from_seq

),

days as (

    select
        customer_id,
        event_type,
        event_day,
        sum(sign) as event_count,
        count(*) filter (where is_superseded) as superseded_count,
        count(*) filter (where is_voided) as voided_count
    from events
    group by all

),

unclear as (

    select * from {{ ref('stg_facts__unclear_days') }}

),

unclear_days as (

    select * from unclear
    where event_day is not null

),

unclear_types as (

    select * from unclear
    where event_day is null

),

-- Joins on equal keys only: an "or" or an "exists" over a million days took minutes.
clear as (

    select
        days.*,
        cast(days.event_day as timestamptz) as day_start
    from days
    anti join unclear_days
        on
            days.customer_id = unclear_days.customer_id
            and days.event_type = unclear_days.event_type
            and days.event_day = unclear_days.event_day
    anti join unclear_types
        on
            days.customer_id = unclear_types.customer_id
            and days.event_type = unclear_types.event_type

),

coverage as (

    select * from {{ source('billing', 'coverage') }}

),

meters as (

    select distinct
        meter_id,
        meter_version,
        event_type
    from {{ source('book', 'meters') }}

),

spans as (

    select distinct
        coverage.customer_id,
        meters.event_type,
        coverage.covered_from,
        coverage.covered_to
    from coverage
    inner join meters
        on coverage.meter_id = meters.meter_id and coverage.meter_version = meters.meter_version

),

read_days as (

    select clear.*
    from clear
    semi join spans
        on
            clear.customer_id = spans.customer_id
            and clear.event_type = spans.event_type
            and clear.day_start >= spans.covered_from
            and clear.day_start < spans.covered_to

),

unread_days as (

    select clear.*
    from clear
    anti join spans
        on
            clear.customer_id = spans.customer_id
            and clear.event_type = spans.event_type
            and clear.day_start >= spans.covered_from
            and clear.day_start < spans.covered_to

),

contract_days as (

    select distinct
        unread_days.customer_id,
        unread_days.event_day
    from unread_days
    semi join coverage
        on
            unread_days.customer_id = coverage.customer_id
            and unread_days.day_start >= coverage.covered_from
            and unread_days.day_start < coverage.covered_to

)

select
    customer_id,
    event_type,
    event_day,
    event_count,
    superseded_count,
    voided_count,
    'read' as fate
from read_days
union all
select
    unread_days.customer_id,
    unread_days.event_type,
    unread_days.event_day,
    unread_days.event_count,
    unread_days.superseded_count,
    unread_days.voided_count,
    case
        when unread_days.event_type not in (select meters.event_type from meters) then 'no_meter'
        when contract_days.customer_id is not null then 'not_in_contract'
        else 'no_contract'
    end as fate
from unread_days
left join contract_days
    on
        unread_days.customer_id = contract_days.customer_id
        and unread_days.event_day = contract_days.event_day
