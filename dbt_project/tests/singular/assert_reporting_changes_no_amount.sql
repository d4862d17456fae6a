-- Prevents a report that shows another sum than the document: a row lost, or cut at four places.
with

documents as (

    select
        document_id,
        0 as line_no,
        net + tax + total as amount
    from {{ source('facts', 'documents') }}

),

lines as (

    select
        document_id,
        line_no,
        amount
    from {{ source('facts', 'billed_lines') }}
    -- What a void takes back is on no document.
    where batch_seq not in (select voids.batch_seq from {{ source('facts', 'voids') }} as voids)

),

facts as (

    select * from documents
    union all
    select * from lines

),

reported as (

    select
        document_id,
        0 as line_no,
        net + tax + total as amount
    from {{ ref('invoices') }}
    union all
    select
        document_id,
        line_no,
        amount
    from {{ ref('invoice_lines') }}

)

select
    facts.document_id,
    facts.line_no,
    facts.amount,
    reported.amount as reported_amount
from facts
left join reported
    on
        facts.document_id = reported.document_id
        and facts.line_no = reported.line_no
where facts.amount is distinct from reported.amount
