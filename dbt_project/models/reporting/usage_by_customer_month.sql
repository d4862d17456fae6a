with

days as (

    select * from {{ ref('usage_by_day') }}

),

determinants as (

    select * from {{ ref('determinants') }}

),

meters as (

    select distinct
        meter_id,
        meter_version,
        unit
    from {{ source('book', 'meters') }}

),

-- Meters whose days add up; a version may say otherwise than the one before.
rules as (

    select distinct
        meter_id,
        meter_version
    from {{ source('ops', 'meter_rules') }}
    where is_additive and aggregation in ('count', 'sum') and not recurring

),

summed as (

    select
        customer_id,
        meter_id,
        unit,
        zone,
        cast(date_trunc('month', local_day) as date) as local_month,
        cast(sum(quantity) as decimal(38, 12)) as quantity,
        cast(sum(event_count) as bigint) as event_count,
        count(*) as day_count,
        'days' as made_from
    from days
    group by customer_id, meter_id, unit, zone, local_month

),

-- What two items read in the same window was used once.
windows as (

    select
        determinants.customer_id,
        determinants.meter_id,
        meters.unit,
        determinants.zone,
        determinants.window_start_on,
        determinants.quantity,
        determinants.event_count
    from determinants
    inner join meters
        on
            determinants.meter_id = meters.meter_id
            and determinants.meter_version = meters.meter_version
    anti join rules
        on
            determinants.meter_id = rules.meter_id
            and determinants.meter_version = rules.meter_version
    where determinants.is_measured
    qualify
        row_number() over (
            partition by
                determinants.customer_id, determinants.meter_id, determinants.dimensions,
                determinants.zone, determinants.window_start_on, determinants.window_end_on
            order by determinants.contract_id, determinants.item_id
        ) = 1

),

of_windows as (

    select
        customer_id,
        meter_id,
        unit,
        zone,
        cast(date_trunc('month', window_start_on) as date) as local_month,
        cast(sum(quantity) as decimal(38, 12)) as quantity,
        cast(sum(event_count) as bigint) as event_count,
        cast(null as bigint) as day_count,
        'windows' as made_from
    from windows
    group by customer_id, meter_id, unit, zone, local_month

)

select * from summed
union all
select * from of_windows
