with

metered as (

    select * from {{ ref('stg_facts__uncovered_events') }}

),

-- A version that holds in two slots says the same in both.
meters as (

    select distinct
        meter_id,
        meter_version,
        unit,
        list_currency,
        list_unit_amount
    from {{ source('book', 'meters') }}

),

-- An event has a quantity of its own only where a meter counts or adds up.
rules as (

    select distinct
        meter_id,
        meter_version,
        over,
        under
    from {{ source('ops', 'meter_rules') }}
    where is_additive and aggregation in ('count', 'sum')

),

added as (

    select
        customer_id,
        meter_id,
        meter_version,
        has_contract,
        cast(date_trunc('month', occurred_at) as date) as month_on,
        cast(sum(sign) as bigint) as event_count,
        cast(sum(sign * quantity) as decimal(38, 12)) as quantity
    from metered
    group by customer_id, meter_id, meter_version, has_contract, month_on

),

converted as (

    select
        added.* exclude (quantity),
        case
            when rules.meter_id is not null
                then exact_quotient(added.quantity, 1, rules.over, rules.under, 12, 'half_up')
        end as quantity
    from added
    left join rules
        on added.meter_id = rules.meter_id and added.meter_version = rules.meter_version

),

valued as (

    select
        converted.customer_id,
        converted.meter_id,
        case when converted.has_contract then 'not_in_contract' else 'no_contract' end as fate,
        converted.month_on,
        meters.unit,
        converted.event_count,
        coalesce(converted.quantity, 0) as quantity,
        converted.quantity is not null as has_quantity,
        meters.list_currency as currency,
        cast(
            cast(converted.quantity as decimal(26, 6))
            * cast(meters.list_unit_amount as decimal(18, 12)) as decimal(38, 12)
        ) as estimated_value
    from converted
    inner join meters
        on converted.meter_id = meters.meter_id and converted.meter_version = meters.meter_version

)

select * from valued
