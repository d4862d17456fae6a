-- Prevents a missing or doubled invoice number, which a tax audit reads as a hidden sale.
select
    series,
    count(*) as documents,
    count(distinct serial_no) as serials,
    min(serial_no) as first_serial,
    max(serial_no) as last_serial
from {{ ref('invoices') }}
group by all
having
    count(*) <> count(distinct serial_no)
    or count(*) <> max(serial_no)
    or min(serial_no) <> 1
