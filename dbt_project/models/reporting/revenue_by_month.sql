with

journal as (

    select * from {{ ref('journal') }}
    where account = 'revenue'

),

summed as (

    select
        entity_id,
        currency,
        customer_id,
        cast(date_trunc('month', posting_date) as date) as posting_month,
        cast(sum(credit - debit) as decimal(38, 4)) as amount
    from journal
    group by all

)

select * from summed
