with

lines as (

    select * from {{ source('facts', 'written_off') }}

),

voids as (

    select * from {{ source('facts', 'voids') }}

),

customers as (

    select * from {{ source('book', 'customers') }}

),

-- All of a voided document is billed again, with what was written off beside it.
listed as (

    select
        lines.draft_id,
        lines.line_no,
        lines.entity_id,
        lines.payer_id as customer_id,
        customers.name as customer_name,
        lines.contract_id,
        lines.item_id,
        lines.component,
        lines.dimensions,
        lines.window_start_on,
        lines.window_end_on,
        lines.currency,
        cast(lines.amount as decimal(38, 4)) as amount,
        lines.original_number,
        lines.written_on,
        voids.number is null as is_standing,
        lines.run_id,
        lines.batch_seq
    from lines
    left join voids on lines.original_number = voids.number
    left join customers on lines.payer_id = customers.customer_id

),

summed as (

    select
        *,
        cast(
            sum(case when is_standing then amount else 0 end) over (
                partition by entity_id, customer_id, currency, year(written_on)
                order by written_on, batch_seq, draft_id, line_no
                rows between unbounded preceding and current row
            ) as decimal(38, 4)
        ) as amount_of_year
    from listed

)

select * from summed
