{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
    )
}}

with

lines as (

    select * from {{ source('facts', 'billed_lines') }}
    where {{ is_new() }}

),

-- A void takes its document's lines back in a batch of its own, by lines of no document.
voids as (

    select distinct batch_seq from {{ source('facts', 'voids') }}

),

reported as (

    select
        document_id,
        line_no,
        number,
        invoice_date,
        entity_id,
        customer_id,
        payer_id,
        contract_id,
        item_id,
        item_description,
        component,
        coalesce(dimensions, '{}') as dimensions,
        meter_id,
        window_start_on,
        window_end_on,
        zone,
        quantity,
        case price_model
            when 'per_unit'
                then concat_ws(
                    ' per ',
                    json_extract_string(price, '$.unit_amount'),
                    nullif(json_extract_string(price, '$.per'), '1')
                )
            when 'graduated' then json_array_length(price, '$.tiers') || ' tiers'
            when 'flat' then json_extract_string(price, '$.amount')
            else price_model
        end as unit_price,
        currency,
        cast(amount as decimal(38, 4)) as amount,
        amount_unrounded,
        is_correction,
        original_number,
        line_key,
        determinant_id,
        batch_seq
    from lines
    where batch_seq not in (select voids.batch_seq from voids)

)

select * from reported
