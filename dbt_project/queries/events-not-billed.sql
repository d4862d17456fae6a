-- Question: Which accepted events does no charge window read, and why?
-- Row: fate, event type, customer and UTC month; with the fate read, every accepted event is in one
-- Parameter customer (text, default all): Customer id.
-- Parameter fate (text, default all but read): One fate; read shows what charge windows do read.
-- Column fate: Why, in one word; what each means stands at usage.fates.
-- Column event_type: Type of the events.
-- Column customer_id: Customer who used.
-- Column month_on: First day of the UTC month.
-- Column event_count: Accepted events.
with

counted as (

    select
        fate,
        event_type,
        customer_id,
        cast(date_trunc('month', event_day) as date) as month_on,
        cast(sum(event_count) as bigint) as event_count
    from usage.fates
    where
        customer_id = coalesce($customer, customer_id)
        and case when $fate is null then fate <> 'read' else fate = $fate end
    group by all

)

select * from counted
where event_count <> 0
order by all
