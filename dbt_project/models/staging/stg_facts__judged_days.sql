{# New events per customer, type and UTC day and the filters they pass, on days inside which no
   span of a contract begins or ends: each group has one fate. -#}
with

events as (

    select
        events.customer_id,
        events.event_type,
        events.event_day,
        events.sign,
        events.is_superseded,
        events.is_voided,
        {{ passed_filters() }} as passed
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
        passed,
        sum(sign) as event_count,
        count(*) filter (where is_superseded) as superseded_count,
        count(*) filter (where is_voided) as voided_count
    from events
    group by all

),

unclear_days as (

    select * from {{ ref('stg_facts__unclear_days') }}

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

),

coverage as (

    select * from {{ source('billing', 'coverage') }}

),

rules as (

    select * from {{ source('ops', 'meter_rules') }}
    where event_type is not null

),

-- Spans in which a meter reads a type: all of it, or what passes the filter of that bit.
spans as (

    select distinct
        coverage.customer_id,
        rules.event_type,
        rules.filter_bit,
        coverage.covered_from,
        coverage.covered_to
    from coverage
    inner join rules
        on coverage.meter_id = rules.meter_id and coverage.meter_version = rules.meter_version

),

-- An inner join with a filter after it: joins that test whether a row exists take equal keys only,
-- or minutes.
covering as (

    select
        clear.customer_id,
        clear.event_type,
        clear.event_day,
        clear.passed,
        spans.filter_bit
    from clear
    inner join spans
        on
            clear.customer_id = spans.customer_id
            and clear.event_type = spans.event_type
    where clear.day_start >= spans.covered_from and clear.day_start < spans.covered_to

),

matched as (

    select distinct
        customer_id,
        event_type,
        event_day,
        passed
    from covering
    where filter_bit = 0 or (passed & filter_bit) <> 0

),

read_days as (

    select clear.*
    from clear
    semi join matched
        on
            clear.customer_id = matched.customer_id
            and clear.event_type = matched.event_type
            and clear.event_day = matched.event_day
            and clear.passed = matched.passed

),

unread_days as (

    select clear.*
    from clear
    anti join matched
        on
            clear.customer_id = matched.customer_id
            and clear.event_type = matched.event_type
            and clear.event_day = matched.event_day
            and clear.passed = matched.passed

),

-- Days on which a meter would have read the events, had they passed its filter.
covered_days as (

    select distinct
        customer_id,
        event_type,
        event_day
    from covering

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
        when unread_days.event_type not in (select rules.event_type from rules) then 'no_meter'
        when covered_days.customer_id is not null then 'excluded'
        when contract_days.customer_id is not null then 'not_in_contract'
        else 'no_contract'
    end as fate
from unread_days
left join covered_days
    on
        unread_days.customer_id = covered_days.customer_id
        and unread_days.event_type = covered_days.event_type
        and unread_days.event_day = covered_days.event_day
left join contract_days
    on
        unread_days.customer_id = contract_days.customer_id
        and unread_days.event_day = contract_days.event_day
