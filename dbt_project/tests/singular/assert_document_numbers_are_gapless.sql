-- Prevents a missing or doubled invoice number, which a tax audit reads as a hidden sale.
select
    series,
    count(*) as documents,
    count(distinct serial) as serials,
    min(serial) as first_serial,
    max(serial) as last_serial
from {{ ref('invoices') }}
group by all
having
    count(*) <> count(distinct serial)
    or count(*) <> max(serial)
    or min(serial) <> 1
