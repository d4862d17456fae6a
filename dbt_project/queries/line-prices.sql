-- Question: What did each line cost per unit, by its price and in effect?
-- Row: line of an issued document
-- Parameter number (text, default all): Number of a document.
-- Parameter customer (text, default all): Customer id of the contract.
-- Column number: Number of the document.
-- Column line_no: Place on the document, from 1.
-- Column item_description: Text printed on the line; null without one.
-- Column meter_id: Meter that counted; null for a fee.
-- Column quantity: Quantity in the meter's unit, or number of fees.
-- Column unit_price: Price in words, in currency, e.g. 3 per 1000000.
-- Column effective_rate: Amount per unit before rounding, in currency, cut to 9 places; null for 0 units.
-- Column amount: Amount billed by this line, in currency.
-- Column currency: ISO 4217 code of the amounts.
-- Column is_correction: Whether it bills the difference to an earlier line.
select
    number,
    line_no,
    item_description,
    meter_id,
    quantity,
    unit_price,
    -- Whole numbers on both sides: division of decimals would go through floats.
    cast(
        cast(cast(amount_unrounded as decimal(38, 9)) * 1000000000 as hugeint) * 1000000000
        // nullif(cast(quantity * 1000000000 as hugeint), 0) as decimal(28, 0)
    ) * cast(0.000000001 as decimal(10, 9)) as effective_rate,
    amount,
    currency,
    is_correction
from reporting.invoice_lines
where
    number = coalesce($number, number)
    and customer_id = coalesce($customer, customer_id)
order by number, line_no
