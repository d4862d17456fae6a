-- Question: How much did customers use in each month?
-- Row: customer, meter and calendar month with usage
-- Parameter customer (text, default all): Customer id.
-- Parameter meter (text, default all): Meter id.
-- Column local_month: First day of the calendar month, in zone.
-- Column customer_id: Customer who used.
-- Column meter_id: Meter that counted.
-- Column quantity: Quantity in unit.
-- Column unit: Unit of the meter.
-- Column event_count: Events counted, less those replaced.
-- Column zone: IANA zone of the month.
select
    local_month,
    customer_id,
    meter_id,
    quantity,
    unit,
    event_count,
    zone
from reporting.usage_by_customer_month
where
    customer_id = coalesce($customer, customer_id)
    and meter_id = coalesce($meter, meter_id)
order by all
