-- Question: What was corrected after it had been billed, on which documents, and what changed?
-- Row: document and cause; every line that corrects an earlier one is in one
-- Parameter customer (text, default all): Customer id of the contract.
-- Column invoice_date: Date of the document.
-- Column number: Number of the document.
-- Column kind: invoice, or credit_note where its net is below zero.
-- Column customer_id: Customer of the contract.
-- Column cause: price, quantity (usage came late or was taken back) or terms (neither of the two).
-- Column line_count: Lines that correct.
-- Column amount: Sum of these lines, in currency.
-- Column currency: ISO 4217 code of the amount.
-- Column corrects: Numbers of the documents that billed the windows first.
with

steps as (

    select
        *,
        lag(price) over again as price_before,
        lag(quantity) over again as quantity_before
    from facts.billed_lines
    where customer_id = coalesce($customer, customer_id)
    window again as (partition by line_key order by batch_seq, row_no)

)

select
    steps.invoice_date,
    steps.number,
    documents.kind,
    steps.customer_id,
    case
        when steps.price is distinct from steps.price_before then 'price'
        when steps.quantity is distinct from steps.quantity_before then 'quantity'
        else 'terms'
    end as cause,
    count(*) as line_count,
    cast(sum(steps.amount) as decimal(38, 4)) as amount,
    steps.currency,
    string_agg(distinct steps.original_number, ', ' order by steps.original_number) as corrects
from steps
left join facts.documents as documents on steps.document_id = documents.document_id
where steps.is_correction
group by all
order by all
