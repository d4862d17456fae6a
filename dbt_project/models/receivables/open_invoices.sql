with

invoices as (

    select
        document_id,
        number,
        kind,
        entity_id,
        customer_id,
        customer_name,
        currency,
        invoice_date,
        due_date,
        total,
        total as owed,
        voided_on,
        false as is_imported
    from {{ ref('invoices') }}

),

customers as (

    select * from {{ source('book', 'customers') }}

),

-- What was still owed of documents of the system before, with its own due dates.
imported as (

    select
        documents.document_id,
        documents.number,
        documents.kind,
        documents.entity_id,
        documents.customer_id,
        customers.name as customer_name,
        documents.currency,
        documents.invoice_date,
        documents.due_date,
        cast(documents.total as decimal(38, 4)) as total,
        cast(documents.open_amount as decimal(38, 4)) as owed,
        cast(null as date) as voided_on,
        true as is_imported
    from {{ source('facts', 'imported_documents') }} as documents
    left join customers on documents.customer_id = customers.customer_id
    where documents.open_amount <> 0

),

owed as (

    select * from invoices
    union all
    select * from imported

),

run as (

    select * from {{ source('ops', 'run') }}

),

-- There are no other payments yet: what a document says less what prepaid credit and the balance
-- pay is open; what a note puts to the balance is used up of the note.
prepaid as (

    select
        document_id,
        cast(sum(credit - debit) as decimal(38, 4)) as amount
    from {{ ref('journal') }}
    where
        account = 'accounts_receivable'
        and event in ('prepaid.applied', 'balance.applied', 'balance.added')
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
        owed.document_id,
        owed.number,
        owed.kind,
        owed.entity_id,
        owed.customer_id,
        owed.customer_name,
        owed.currency,
        owed.invoice_date,
        owed.due_date,
        owed.total,
        cast(
            owed.owed - coalesce(prepaid.amount, 0) - coalesce(applied.amount, 0)
            as decimal(38, 4)
        ) as open_amount,
        run.through as as_of,
        cast(greatest(date_diff('day', owed.due_date, run.through), 0) as bigint)
            as overdue_days,
        owed.is_imported
    from owed
    cross join run
    left join prepaid on owed.document_id = prepaid.document_id
    left join applied on owed.document_id = applied.document_id
    where
        owed.voided_on is null
        and owed.owed <> coalesce(prepaid.amount, 0) + coalesce(applied.amount, 0)

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
