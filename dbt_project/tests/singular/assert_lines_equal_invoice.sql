-- Prevents an invoice whose total a customer cannot reach by adding up its lines and the tax.
with

invoices as (

    select * from {{ ref('invoices') }}

),

lines as (

    select
        document_id,
        sum(amount) as amount
    from {{ ref('invoice_lines') }}
    group by all

),

compared as (

    select
        coalesce(invoices.document_id, lines.document_id) as document_id,
        invoices.net,
        invoices.tax,
        invoices.total,
        lines.amount
    from invoices
    full join lines on invoices.document_id = lines.document_id

)

select * from compared
where
    net is distinct from amount
    or net + tax is distinct from total
