{{ config(tags=['meter']) }}

with

asks as (

    select * from {{ asked() }} as asked

),

samples as (

    select
        asks.window_id,
        events.p_port as port,
        events.p_kbps as kbps,
        events.occurred_at
    from asks
    inner join {{ live_events() }} as events
        on
            asks.customer_id = events.customer_id
            and events.event_type = 'bandwidth_sample'
            and asks.window_start <= events.occurred_at
            and asks.window_end > events.occurred_at

),

kept as (

    select samples.*
    from samples
    anti join {{ ref('maintenance') }} as maintenance
        on
            samples.port = maintenance.port
            and samples.occurred_at >= maintenance.starts_at
            and samples.occurred_at < maintenance.ends_at

)

-- The discrete percentile: of n samples in order the one at ceil(0.95 n), so that a rate is billed
-- that was measured.
select
    window_id,
    '{}' as dimensions,
    count(*) as event_count,
    cast(quantile_disc(kbps, 0.95) as decimal(38, 12)) as quantity
from kept
group by window_id
