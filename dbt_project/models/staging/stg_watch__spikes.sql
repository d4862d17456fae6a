{# Days on which a customer used far more of a meter than on the days before: one row per customer
   and meter, the day that is furthest above the median. -#}
with

days as (

    select * from {{ ref('stg_watch__days') }}

),

meters as (

    select * from {{ ref('stg_watch__meters') }}

),

-- No median is below the least day: whatever passes here not, cannot be a spike, and most do not.
candidates as (

    select
        days.customer_id,
        days.meter_id
    from days
    inner join meters on days.meter_id = meters.meter_id
    group by days.customer_id, days.meter_id, meters.spike_factor, meters.spike_above
    having
        max(days.quantity) > meters.spike_above
        and cast(max(days.quantity) as decimal(38, 6))
        > cast(min(days.quantity) as decimal(38, 6)) * meters.spike_factor

),

framed as (

    select
        days.*,
        meters.is_ignored,
        meters.new_customer_days,
        meters.spike_factor,
        meters.spike_peak_factor,
        meters.spike_above,
        meters.spike_used_days,
        meters.spike_of_days,
        meters.spike_told_days,
        quantile_disc(days.quantity, 0.5) over previous as median_quantity,
        max(days.quantity) over previous as peak_quantity,
        count(*) over previous as used_days
    from days
    semi join candidates
        on days.customer_id = candidates.customer_id and days.meter_id = candidates.meter_id
    inner join meters on days.meter_id = meters.meter_id
    window
        previous as (
            partition by days.customer_id, days.meter_id
            order by date_diff('day', date '1970-01-01', days.local_day)
            range between meters.spike_of_days preceding and 1 preceding
        )

),

-- Whole millionths, because `/` is not exact: the factor is cut to tenths.
spiking as (

    select
        *,
        cast(cast(quantity as decimal(38, 6)) * 1000000 as hugeint) as used,
        cast(cast(median_quantity as decimal(38, 6)) * 1000000 as hugeint) as usual,
        cast(used * 10 // usual as decimal(37, 0)) * cast(0.1 as decimal(1, 1)) as factor
    from framed
    where
        local_day >= end_on - cast(spike_told_days as integer)
        and used_days >= spike_used_days
        and quantity > spike_above and usual > 0
        and cast(quantity as decimal(38, 6))
        > cast(median_quantity as decimal(38, 6)) * spike_factor
        and cast(quantity as decimal(38, 6))
        > cast(peak_quantity as decimal(38, 6)) * spike_peak_factor
    qualify row_number() over (
        partition by customer_id, meter_id order by factor desc, local_day desc
    ) = 1

)

select
    spiking.customer_id,
    spiking.meter_id,
    spiking.local_day,
    spiking.quantity,
    spiking.median_quantity,
    spiking.factor,
    spiking.used_days,
    spiking.spike_of_days as of_days,
    case
        when spiking.is_ignored or customers.is_ignored then 'ignored'
        when spiking.local_day - customers.first_on < spiking.new_customer_days then 'new_customer'
        else 'open'
    end as status
from spiking
inner join {{ ref('stg_watch__customers') }} as customers
    on spiking.customer_id = customers.customer_id
