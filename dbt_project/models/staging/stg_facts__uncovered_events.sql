{# Metered events that no charge window reads, restated ones with their sign. -#}
with

fates as (

    select * from {{ ref('fates') }}

),

events as (

    select * from {{ ref('stg_facts__signed_events') }}

),

coverage as (

    select
        coverage.*,
        meters.event_type
    from {{ source('billing', 'coverage') }} as coverage
    inner join {{ source('book', 'meters') }} as meters
        on
            coverage.meter_id = meters.meter_id
            and coverage.meter_version = meters.meter_version

),

-- Only days on which something fell outside are read again.
days as (

    select
        customer_id,
        event_type,
        event_day
    from fates
    where fate in ('no_contract', 'not_in_contract')
    group by all
    having sum(event_count) <> 0

),

outside as (

    select
        events.*,
        exists (  -- noqa: LT01, LT06
            select 1 from coverage
            where
                coverage.customer_id = events.customer_id
                and coverage.covered_from <= events.occurred_at
                and coverage.covered_to > events.occurred_at
        ) as has_contract
    from events
    semi join days
        on
            events.customer_id = days.customer_id
            and events.event_type = days.event_type
            and events.event_day = days.event_day
    where not exists (  -- noqa: LT01, LT06
        select 1 from coverage
        where
            coverage.customer_id = events.customer_id
            and coverage.event_type = events.event_type
            and coverage.covered_from <= events.occurred_at
            and coverage.covered_to > events.occurred_at
    )

),

plan as (

    select * replace (0 as from_seq) from {{ source('ops', 'meter_plan') }}
    qualify row_number() over (
        partition by customer_id, meter_id order by meter_version desc, zone asc
    ) = 1

)

{{ metered_events('outside', 'plan', 'has_contract') }}
