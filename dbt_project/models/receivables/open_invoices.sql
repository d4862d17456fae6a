with

invoices as (

    select * from {{ ref('invoices') }}

),

run as (

    select * from {{ source('ops', 'run') }}

),

-- There are no other payments yet: what a document says less what prepaid credit pays is open.
prepaid as (

    select
        document_id,
        cast(sum(credit - debit) as decimal(38, 4)) as amount
    from {{ ref('journal') }}
    where account = 'accounts_receivable' and event = 'prepaid.applied'
    group by all

),

-- What credit notes take off an invoice is used up of the note.
applied as (

    select
        document_id,
        sum(amount) as amount
    from (
        select
            document_id,
            amount
        from {{ source('facts', 'applications') }}
        union all
        select
            source_id as document_id,
            -amount as amount
        from {{ source('facts', 'applications') }}
        where source_id is not null
    ) as moves
    group by document_id

),

unsettled as (

    select
        invoices.document_id,
        invoices.number,
        invoices.kind,
        invoices.entity_id,
        invoices.customer_id,
        invoices.customer_name,
        invoices.currency,
        invoices.invoice_date,
        invoices.due_date,
        invoices.total,
        cast(
            invoices.total - coalesce(prepaid.amount, 0) - coalesce(applied.amount, 0)
            as decimal(38, 4)
        ) as open_amount,
        run.through as as_of,
        cast(greatest(date_diff('day', invoices.due_date, run.through), 0) as bigint)
            as overdue_days
    from invoices
    cross join run
    left join prepaid on invoices.document_id = prepaid.document_id
    left join applied on invoices.document_id = applied.document_id
    where
        invoices.voided_on is null
        and invoices.total <> coalesce(prepaid.amount, 0) + coalesce(applied.amount, 0)

),

aged as (

    select
        *,
        case
            when overdue_days = 0 then 'not due'
            when overdue_days <= 30 then '1-30'
            when overdue_days <= 60 then '31-60'
            when overdue_days <= 90 then '61-90'
            else 'over 90'
        end as aging_bucket
    from unsettled

)

select * from aged
