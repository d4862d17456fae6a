{# Days on which a customer used a watched meter, as far back as the thresholds look. Counts and
   sums are judged by their quantity, other meters by their events. -#}
with

daily as (

    select * from {{ ref('daily') }}

),

fates as (

    select * from {{ ref('fates') }}
    where fate not in ('superseded', 'voided')

),

-- A shadow would say everything twice.
meters as (

    select * from {{ source('ops', 'meter_rules') }}
    where shadow_of is null

),

-- The first contract decides which of a customer's zones is read, as in reporting.usage_by_day.
zones as (

    select
        customer_id,
        zone
    from {{ source('book', 'contracts') }}
    qualify row_number() over (partition by customer_id order by start_on, contract_id) = 1

),

folded as (

    select
        daily.customer_id,
        daily.meter_id,
        daily.local_day,
        case
            when meters.aggregation in ('count', 'sum') then sum(daily.quantity)
            else cast(sum(daily.event_count) as decimal(38, 12))
        end as quantity
    from daily
    inner join meters
        on
            daily.meter_id = meters.meter_id
            and daily.meter_version = meters.meter_version
            and daily.local_day >= meters.slot_from
            and daily.local_day < meters.slot_to
    left join zones on daily.customer_id = zones.customer_id
    where meters.is_additive and daily.zone = coalesce(zones.zone, 'UTC')
    group by daily.customer_id, daily.meter_id, daily.local_day, meters.aggregation

),

-- Meters that are not folded have no days of their own: all events of their type stand for them.
counted as (

    select
        fates.customer_id,
        meters.meter_id,
        fates.event_day as local_day,
        cast(sum(fates.event_count) as decimal(38, 12)) as quantity
    from fates
    inner join meters
        on
            fates.event_type = meters.event_type
            and fates.event_day >= meters.slot_from
            and fates.event_day < meters.slot_to
    where not meters.is_additive
    group by all

),

used as (

    select * from folded
    union all
    select * from counted

)

select
    used.customer_id,
    used.meter_id,
    used.local_day,
    ends.end_on,
    used.quantity
from used
inner join {{ ref('stg_watch__meters') }} as ends on used.meter_id = ends.meter_id
where
    used.quantity > 0
    and used.local_day < ends.end_on
    and used.local_day >= ends.from_on
