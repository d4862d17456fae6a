with

metered as (

    select * from {{ ref('stg_facts__uncovered_events') }}

),

meters as (

    select * from {{ source('book', 'meters') }}

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
