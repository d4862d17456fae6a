-- Question: Who owes how much, and how late is it?
-- Row: entity, customer and currency with an open document, the largest debt first
-- Parameter entity (text, default all): Business entity id.
-- Column entity_id: Business entity that is owed.
-- Column customer_id: Customer who owes.
-- Column customer_name: Name on the customer's newest open document.
-- Column currency: ISO 4217 code of the amounts.
-- Column open_amount: What is owed in all, less open credit notes, in currency.
-- Column not_due: Of it not due yet, in currency.
-- Column days_1_30: Of it 1 to 30 days late, in currency.
-- Column days_31_60: Of it 31 to 60 days late, in currency.
-- Column days_61_90: Of it 61 to 90 days late, in currency.
-- Column over_90: Of it more than 90 days late, in currency.
-- Column documents: Open documents.
-- Column as_of: Day at whose start the ages are counted.
select
    entity_id,
    customer_id,
    arg_max(customer_name, (invoice_date, number)) as customer_name,
    currency,
    sum(open_amount) as open_amount,
    sum(case when aging_bucket = 'not due' then open_amount else 0 end) as not_due,
    sum(case when aging_bucket = '1-30' then open_amount else 0 end) as days_1_30,
    sum(case when aging_bucket = '31-60' then open_amount else 0 end) as days_31_60,
    sum(case when aging_bucket = '61-90' then open_amount else 0 end) as days_61_90,
    sum(case when aging_bucket = 'over 90' then open_amount else 0 end) as over_90,
    count(*) as documents,
    as_of
from receivables.open_invoices
where entity_id = coalesce($entity, entity_id)
group by entity_id, customer_id, currency, as_of
order by currency, open_amount desc, entity_id, customer_id
