-- Question: What usage earns nothing because no contract reads it, and what is it worth?
-- Row: customer, meter, fate and UTC month
-- Parameter customer (text, default all): Customer id.
-- Column customer_id: Customer who used.
-- Column meter_id: Meter that would have counted.
-- Column month_on: First day of the UTC month.
-- Column fate: no_contract (none in force) or not_in_contract (no item reads the meter).
-- Column event_count: Events, less those replaced; an event that two meters count is in both.
-- Column quantity: Quantity in unit.
-- Column unit: Unit of the meter.
-- Column estimated_value: Quantity times list price, in currency; null without a list price.
-- Column currency: ISO 4217 code of the list price; null without one.
select
    customer_id,
    meter_id,
    month_on,
    fate,
    event_count,
    quantity,
    unit,
    estimated_value,
    currency
from reporting.usage_without_contract
where customer_id = coalesce($customer, customer_id)
order by all
