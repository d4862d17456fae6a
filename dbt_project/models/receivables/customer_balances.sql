with

moves as (

    select * from {{ source('facts', 'balance_moves') }}

),

invoices as (

    select * from {{ ref('invoices') }}

),

run as (

    select * from {{ source('ops', 'run') }}

),

lots as (

    select * from moves
    where kind = 'lot'

),

-- What a voided document drew is not used.
uses as (

    select
        lot_id,
        cast(
            sum(case kind when 'draw' then amount when 'return' then -amount else 0 end)
            as decimal(38, 4)
        ) as drawn,
        cast(sum(case when kind = 'refund' then amount else 0 end) as decimal(38, 4)) as refunded,
        cast(
            sum(case when kind in ('expiry', 'void') then amount else 0 end) as decimal(38, 4)
        ) as ended
    from moves
    where kind <> 'lot'
    group by lot_id

),

balances as (

    select
        lots.lot_id,
        lots.entity_id,
        lots.customer_id,
        lots.currency,
        lots.source,
        invoices.number as credit_note,
        lots.moved_on as added_on,
        lots.expires_on,
        lots.priority,
        cast(lots.amount as decimal(38, 4)) as amount,
        coalesce(uses.drawn, cast(0 as decimal(38, 4))) as drawn,
        coalesce(uses.refunded, cast(0 as decimal(38, 4))) as refunded,
        coalesce(uses.ended, cast(0 as decimal(38, 4))) as ended,
        cast(
            lots.amount
            - coalesce(uses.drawn, 0) - coalesce(uses.refunded, 0) - coalesce(uses.ended, 0)
            as decimal(38, 4)
        ) as remaining,
        coalesce(lots.expires_on <= run.through, false) as is_expired,
        lots.reason
    from lots
    cross join run
    left join uses on lots.lot_id = uses.lot_id
    left join invoices on lots.document_id = invoices.document_id

)

select * from balances
