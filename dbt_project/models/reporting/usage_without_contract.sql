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
        exists (
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
    where not exists (
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
        partition by customer_id, meter_id order by meter_version desc, zone
    ) = 1

),

meters as (

    select * from {{ source('book', 'meters') }}

),

metered as (

    {{ metered_events('outside', 'plan', 'has_contract') }}

),

valued as (

    select
        metered.customer_id,
        metered.meter_id,
        case when metered.has_contract then 'not_in_contract' else 'no_contract' end as fate,
        cast(date_trunc('month', metered.occurred_at) as date) as month_on,
        meters.unit,
        cast(sum(metered.sign) as bigint) as event_count,
        cast(sum(metered.sign * metered.quantity) as decimal(38, 12)) as quantity,
        meters.list_currency as currency,
        cast(
            cast(sum(metered.sign * metered.quantity) as decimal(26, 6))
            * cast(meters.list_unit_amount as decimal(18, 12)) as decimal(38, 12)
        ) as estimated_value
    from metered
    inner join meters
        on metered.meter_id = meters.meter_id and metered.meter_version = meters.meter_version
    group by
        metered.customer_id, metered.meter_id, metered.has_contract, month_on,
        meters.unit, meters.list_currency, meters.list_unit_amount

)

select * from valued
