with

daily as (

    select * from {{ ref('daily') }}

),

contracts as (

    select * from {{ source('book', 'contracts') }}

),

meters as (

    select * from {{ source('book', 'meters') }}

),

-- Days are kept in every zone of a customer's contracts: the first contract decides which to show.
zones as (

    select
        customer_id,
        zone
    from contracts
    qualify row_number() over (partition by customer_id order by start_on, contract_id) = 1

),

-- Days are kept for every version of a meter: the one in force on the day is the one to show.
summed as (

    select
        daily.customer_id,
        daily.meter_id,
        meters.unit,
        daily.zone,
        daily.local_day,
        cast(sum(daily.quantity) as decimal(38, 12)) as quantity,
        cast(sum(daily.event_count) as bigint) as event_count
    from daily
    inner join meters
        on
            daily.meter_id = meters.meter_id
            and daily.meter_version = meters.meter_version
            and daily.local_day >= meters.slot_from
            and daily.local_day < meters.slot_to
    left join zones on daily.customer_id = zones.customer_id
    where daily.zone = coalesce(zones.zone, 'UTC')
    group by all

)

select * from summed
