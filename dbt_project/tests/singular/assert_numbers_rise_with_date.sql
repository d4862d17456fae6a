-- Prevents an invoice slipped in behind later ones: dated before a lower number of its series.
with

invoices as (

    select * from {{ ref('invoices') }}

),

ordered as (

    select
        series,
        number,
        invoice_date,
        lag(number) over (partition by series order by serial_no) as number_before,
        lag(invoice_date) over (partition by series order by serial_no) as date_before
    from invoices

)

select * from ordered
where invoice_date < date_before
