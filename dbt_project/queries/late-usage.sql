-- Question: Which usage came after its window was billed, and where was it billed?
-- Row: line that corrects the quantity of a window of usage
-- Parameter customer (text, default all): Customer id.
-- Column usage_month: First day of the month in which the window begins, in its zone.
-- Column customer_id: Customer who used.
-- Column contract_id: Contract.
-- Column item_id: Item of the contract.
-- Column meter_id: Meter that counted.
-- Column window_start_on: First local day of the window.
-- Column window_end_on: First local day after the window.
-- Column first_billed_on: Number of the document that billed the window first.
-- Column billed_on: Number of the document that bills the late usage.
-- Column invoice_date: Date of that document.
-- Column late_quantity: Quantity above what was billed before, in the meter's unit.
-- Column amount: Amount of the line, in currency.
-- Column currency: ISO 4217 code of the amount.
with

steps as (

    select
        *,
        quantity - lag(quantity) over (
            partition by line_key
            order by batch_seq, row_no
        ) as late_quantity
    from facts.billed_lines
    where component = 'usage' and customer_id = coalesce($customer, customer_id)

)

select
    cast(date_trunc('month', window_start_on) as date) as usage_month,
    customer_id,
    contract_id,
    item_id,
    meter_id,
    window_start_on,
    window_end_on,
    original_number as first_billed_on,
    number as billed_on,
    invoice_date,
    late_quantity,
    amount,
    currency
from steps
where is_correction and late_quantity <> 0
order by all
