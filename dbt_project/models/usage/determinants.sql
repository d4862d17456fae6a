{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
        pre_hook=[
            "{% if is_incremental() %}
             delete from {{ this }}
             where window_id in (select window_id from staging.stg_usage__touched_windows)
             {% endif %}",
        ],
        post_hook=[
            "delete from ops.remeasured",
            "delete from ops.determined",
            "insert into ops.determined select known_at from ops.run",
        ],
    )
}}
{# Other windows keep what they have; where they were cut anew, the run has dropped the table. #}

with

touched as (

    select * from {{ ref('stg_usage__touched_windows') }}

),

windows as (

    select windows.*
    from {{ source('billing', 'charge_windows') }} as windows
    semi join touched on windows.window_id = touched.window_id
    where windows.component = 'usage'

),

rules as (

    select * from {{ source('ops', 'meter_rules') }}

),

daily as (

    select * from {{ ref('daily') }}

),

added as (

    select
        windows.*,
        rules.aggregation,
        rules.recurring,
        epoch_us(windows.period_end) - epoch_us(windows.period_start) as period_us,
        windows.period_end_on - windows.period_start_on as period_days
    from windows
    inner join rules
        on
            windows.meter_id = rules.meter_id
            and windows.meter_version = rules.meter_version
            and rules.is_additive
    where windows.is_whole_days

),

members as (

    select * from {{ source('billing', 'window_members') }}

),

-- Windows once for each customer whose days they count: their own, or those of their pool.
reading as (

    select
        *,
        customer_id as reader_id,
        window_start_on as from_on,
        window_end_on as until_on
    from added
    where usage_of is null
    union all by name
    select
        added.*,
        members.customer_id as reader_id,
        members.from_on,
        members.until_on
    from added
    inner join members on added.window_id = members.window_id

),

-- What the days inside a window add up to; the two sums by time are those of levels and of units
-- that count for the days that are left.
inside as (

    select
        reading.window_id,
        daily.dimensions,
        sum(daily.event_count) as event_count,
        sum(daily.value_count) as value_count,
        sum(daily.quantity) as quantity,
        sum(
            daily.quantity * cast(
                epoch_us(reading.window_end) - epoch_us(cast(daily.local_day as timestamptz))
                as decimal(18, 0)
            ) - daily.moment
        ) as level_us,
        sum(daily.quantity * cast(reading.window_end_on - daily.local_day as decimal(9, 0)))
            as unit_days
    from reading
    inner join daily
        on
            reading.reader_id = daily.customer_id
            and reading.meter_id = daily.meter_id
            and reading.meter_version = daily.meter_version
            and reading.zone = daily.zone
            and reading.from_on <= daily.local_day
            and reading.until_on > daily.local_day
    group by reading.window_id, daily.dimensions
    -- Nothing is left of a group whose events were all taken back.
    having sum(daily.event_count) <> 0

),

carried_rules as (

    select * from rules
    where recurring

),

-- Levels that are carried into windows: the sum of all days before.
carried_days as (

    select
        daily.customer_id,
        daily.meter_id,
        daily.meter_version,
        daily.zone,
        daily.dimensions,
        daily.local_day,
        sum(daily.event_count) as event_count,
        sum(daily.value_count) as value_count,
        sum(daily.quantity) as quantity
    from daily
    semi join carried_rules as carried
        on daily.meter_id = carried.meter_id and daily.meter_version = carried.meter_version
    semi join reading
        on daily.customer_id = reading.reader_id and daily.meter_id = reading.meter_id
    group by all

),

running as (

    select
        *,
        sum(event_count) over so_far as events_so_far,
        sum(value_count) over so_far as values_so_far,
        sum(quantity) over so_far as closing_level
    from carried_days
    window so_far as (
        partition by customer_id, meter_id, meter_version, zone, dimensions
        order by local_day
    )

),

groups as (

    select distinct
        customer_id,
        meter_id,
        meter_version,
        zone,
        dimensions
    from running

),

carried_windows as (

    select
        reading.*,
        groups.dimensions as carried_dimensions
    from reading
    inner join groups
        on
            reading.reader_id = groups.customer_id
            and reading.meter_id = groups.meter_id
            and reading.meter_version = groups.meter_version
            and reading.zone = groups.zone

),

opening as (

    select
        windows.window_id,
        windows.carried_dimensions as dimensions,
        sum(running.values_so_far) as values_so_far,
        sum(running.closing_level) as opening_level
    from carried_windows as windows
    asof join running
        on
            windows.reader_id = running.customer_id
            and windows.meter_id = running.meter_id
            and windows.meter_version = running.meter_version
            and windows.zone = running.zone
            and windows.carried_dimensions = running.dimensions
            and windows.window_start_on > running.local_day
    where running.events_so_far <> 0
    group by windows.window_id, windows.carried_dimensions

),

additive as (

    select
        coalesce(inside.window_id, opening.window_id) as window_id,
        coalesce(inside.dimensions, opening.dimensions) as dimensions,
        coalesce(inside.event_count, 0) as event_count,
        coalesce(inside.value_count, 0) + coalesce(opening.values_so_far, 0) as value_count,
        coalesce(inside.quantity, 0) as quantity,
        coalesce(inside.level_us, 0) as level_us,
        coalesce(inside.unit_days, 0) as unit_days,
        coalesce(opening.opening_level, 0) as opening_level
    from inside
    full join opening
        on inside.window_id = opening.window_id and inside.dimensions = opening.dimensions

),

summed as (

    select
        additive.window_id,
        additive.dimensions,
        additive.event_count,
        cast(
            case added.aggregation
                when 'weighted_sum'
                    then additive.level_us + additive.opening_level * cast(
                        epoch_us(added.window_end) - epoch_us(added.window_start) as decimal(18, 0)
                    )
                when 'prorated_sum'
                    then
                        additive.unit_days
                        + additive.opening_level
                        * cast(added.window_end_on - added.window_start_on as decimal(9, 0))
                else additive.quantity + additive.opening_level
            end as decimal(38, 12)
        ) as numerator,
        cast(
            case added.aggregation
                when 'avg' then greatest(additive.value_count, 1)
                when 'weighted_sum' then added.period_us
                when 'prorated_sum' then added.period_days
                else 1
            end as hugeint
        ) as denominator,
        additive.value_count > 0 as is_measured
    from additive
    inner join added on additive.window_id = added.window_id

),

modelled as (

    {{ sql_determinants() }}

),

-- What dbt models yielded; a billed quantity that stands was converted and rounded before.
yielded as (

    select
        window_id,
        dimensions,
        event_count,
        quantity as numerator,
        cast(1 as hugeint) as denominator,
        quantity is not null as is_measured,
        is_frozen
    from modelled

),

found as (

    select * from summed
    union all by name
    select * from {{ ref('measured') }}
    union all by name
    select * from yielded

),

measured as (

    select
        windows.window_id,
        windows.contract_id,
        windows.item_id,
        windows.component,
        coalesce(found.dimensions, '{}') as dimensions,
        windows.customer_id,
        windows.zone,
        windows.window_start_on,
        windows.window_end_on,
        windows.meter_id,
        windows.meter_version,
        cast(
            case
                when not coalesce(found.is_measured, false) then rules.empty
                when coalesce(found.is_frozen, false) then found.numerator
                when rules.is_exact and found.denominator = 1 then found.numerator
                else exact_quotient(
                    found.numerator, found.denominator, rules.over, rules.under, rules.places,
                    rules.mode
                )
            end as decimal(38, 12)
        ) as quantity,
        cast(coalesce(found.event_count, 0) as bigint) as event_count,
        coalesce(found.is_measured, false) as is_measured
    from windows
    inner join rules
        on windows.meter_id = rules.meter_id and windows.meter_version = rules.meter_version
    left join found on windows.window_id = found.window_id

)

select
    md5(concat_ws('|', window_id, dimensions, meter_id, meter_version)) as determinant_id,
    *
from measured
