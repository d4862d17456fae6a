-- Question: What did each item of the contracts earn in each month?
-- Row: entity, currency, month of posting and item; items of one name in many contracts are one row
-- Parameter entity (text, default all): Business entity id.
-- Column posting_month: First day of the month of the posting dates.
-- Column entity_id: Business entity that earned it.
-- Column item_id: Item of the contracts; null where an entry names none.
-- Column amount: Credits less debits of the revenue account, in currency.
-- Column currency: ISO 4217 code of the amount.
-- Column customer_count: Customers behind it.
select
    cast(date_trunc('month', posting_date) as date) as posting_month,
    entity_id,
    item_id,
    cast(sum(credit - debit) as decimal(38, 4)) as amount,
    currency,
    count(distinct customer_id) as customer_count
from accounting.journal
where account = 'revenue' and entity_id = coalesce($entity, entity_id)
group by all
order by all
