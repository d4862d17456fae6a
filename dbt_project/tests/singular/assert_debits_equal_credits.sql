-- Prevents half an entry in the books: one side posted, the other lost or of another amount.
with

entries as (

    select entry_id from {{ source('facts', 'journal_entries') }}

),

journal as (

    select * from {{ ref('journal') }}

),

summed as (

    select
        entry_id,
        sum(debit) as debit,
        sum(credit) as credit,
        sum(debit_base) as debit_base,
        sum(credit_base) as credit_base
    from journal
    group by all

)

select
    entries.entry_id,
    summed.debit,
    summed.credit,
    summed.debit_base,
    summed.credit_base
from entries
left join summed on entries.entry_id = summed.entry_id
where
    summed.entry_id is null
    or summed.debit is distinct from summed.credit
    or summed.debit_base is distinct from summed.credit_base
