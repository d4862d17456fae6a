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

-- A day has a quantity of its own only where the days of a window add up to it: not of a level,
-- an average or a peak.
rules as (

    select * from {{ source('ops', 'meter_rules') }}
    where is_additive and aggregation in ('count', 'sum') and not recurring

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
        -- In the unit that is billed, which events may count in another.
        case
            when rules.over = rules.under then cast(sum(daily.quantity) as decimal(38, 12))
            else exact_quotient(
                cast(sum(daily.quantity) as decimal(38, 12)),
                1, rules.over, rules.under, 12, 'half_up'
            )
        end as quantity,
        cast(sum(daily.event_count) as bigint) as event_count
    from daily
    inner join meters
        on
            daily.meter_id = meters.meter_id
            and daily.meter_version = meters.meter_version
            and daily.local_day >= meters.slot_from
            and daily.local_day < meters.slot_to
    inner join rules
        on
            daily.meter_id = rules.meter_id
            and daily.meter_version = rules.meter_version
            and meters.slot_from = rules.slot_from
    left join zones on daily.customer_id = zones.customer_id
    where daily.zone = coalesce(zones.zone, 'UTC')
    group by
        daily.customer_id, daily.meter_id, meters.unit, daily.zone, daily.local_day, rules.over,
        rules.under

)

select * from summed
