{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
    )
}}

with

entries as (

    select * from {{ source('facts', 'journal_entries') }}
    where {{ is_new() }}

),

lines as (

    select * from {{ source('facts', 'journal_lines') }}
    where {{ is_new() }}

),

-- Left: a line whose entry is missing must fail not_null, not disappear.
joined as (

    select
        lines.entry_id,
        lines.line_no,
        entries.entity_id,
        entries.event,
        entries.event_date,
        entries.posting_date,
        lines.account,
        entries.currency,
        lines.debit,
        lines.credit,
        entries.base_currency,
        lines.debit_base,
        lines.credit_base,
        entries.fx_rate,
        entries.document_id,
        lines.customer_id,
        lines.contract_id,
        lines.item_id,
        lines.line_key,
        lines.window_start_on,
        lines.window_end_on,
        entries.cause,
        entries.reversal_of,
        lines.batch_seq
    from lines
    left join entries on lines.entry_id = entries.entry_id

)

select * from joined
