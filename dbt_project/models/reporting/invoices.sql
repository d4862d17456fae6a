{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='document_id',
        full_refresh=false,
        on_schema_change='fail',
    )
}}

with

documents as (

    select * from {{ source('facts', 'documents') }}

),

customers as (

    select * from {{ source('book', 'customers') }}

),

entities as (

    select * from {{ source('book', 'entities') }}

),

voids as (

    select * from {{ source('facts', 'voids') }}

),

voided as (

    select document_id as voided_id from voids
    where {{ is_new() }}

),

-- A document that was voided since is told anew.
fresh as (

    select documents.* from documents
    left join voided on documents.document_id = voided.voided_id
    where {{ is_new() }} or voided.voided_id is not null

),

-- What the entity's number format puts around the serial.
framed as (

    select
        fresh.*,
        case when fresh.kind = 'invoice' then '' else 'CN-' end
        || replace(
            replace(
                split_part(entities.number_format, '{number', 1), '{entity}', fresh.entity_id
            ),
            '{year}', cast(year(fresh.invoice_date) as varchar)
        ) as text_before,
        replace(
            replace(
                regexp_extract(entities.number_format, '\{number[^}]*\}(.*)$', 1),
                '{entity}', fresh.entity_id
            ),
            '{year}', cast(year(fresh.invoice_date) as varchar)
        ) as text_after
    from fresh
    left join entities on fresh.entity_id = entities.entity_id

),

-- A number made by an older format does not fit; there the last digits are the serial.
numbered as (

    select
        *,
        case
            when
                starts_with(number, text_before) and ends_with(number, text_after)
                then substr(
                    number,
                    length(text_before) + 1,
                    length(number) - length(text_before) - length(text_after)
                )
        end as serial_by_format,
        regexp_extract(number, '([0-9]+)[^0-9]*$', 1) as last_digits
    from framed

),

reported as (

    select
        numbered.document_id,
        numbered.number,
        numbered.kind,
        numbered.series,
        coalesce(
            try_cast(numbered.serial_by_format as bigint), try_cast(numbered.last_digits as bigint)
        ) as serial_no,
        numbered.invoice_date,
        numbered.due_date,
        numbered.posting_date,
        numbered.entity_id,
        numbered.customer_id,
        coalesce(
            json_extract_string(numbered.content, '$.buyer.name'), customers.name
        ) as customer_name,
        numbered.contract_id,
        numbered.currency,
        cast(numbered.net as decimal(38, 4)) as net,
        cast(numbered.tax as decimal(38, 4)) as tax,
        cast(numbered.total as decimal(38, 4)) as total,
        numbered.run_id,
        numbered.through,
        numbered.known_at,
        numbered.batch_seq,
        voids.voided_on
    from numbered
    left join voids on numbered.document_id = voids.document_id
    left join customers on numbered.customer_id = customers.customer_id

)

select * from reported
