-- Prevents a missing or doubled invoice number, which a tax audit reads as a hidden sale.
with

invoices as (

    select * from {{ ref('invoices') }}

),

-- A series may go on after the last number of the system before.
imported as (

    select
        entity_id || '|' || name || '|' || year(from_on) as series,
        cast(max(quantity) as bigint) as last_number
    from {{ source('facts', 'imported_openings') }}
    where kind = 'series'
    group by all

),

counted as (

    select
        invoices.series,
        count(*) as documents,
        count(distinct invoices.serial_no) as serials,
        min(invoices.serial_no) as first_serial,
        max(invoices.serial_no) as last_serial,
        coalesce(max(imported.last_number), 0) as last_before
    from invoices
    left join imported on invoices.series = imported.series
    group by all

)

select * from counted
where
    documents <> serials
    or documents + last_before <> last_serial
    or first_serial <> last_before + 1
