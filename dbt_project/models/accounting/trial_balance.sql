with

journal as (

    select * from {{ ref('journal') }}

),

summed as (

    select
        entity_id,
        currency,
        account,
        cast(sum(debit) as decimal(38, 18)) as debit,
        cast(sum(credit) as decimal(38, 18)) as credit,
        cast(sum(debit - credit) as decimal(38, 18)) as balance
    from journal
    group by all

)

select * from summed
