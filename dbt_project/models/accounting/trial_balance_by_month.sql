with

journal as (

    select * from {{ ref('journal') }}

),

moved as (

    select
        entity_id,
        currency,
        account,
        cast(date_trunc('month', posting_date) as date) as posting_month,
        cast(sum(debit) as decimal(38, 18)) as debit,
        cast(sum(credit) as decimal(38, 18)) as credit,
        cast(sum(debit - credit) as decimal(38, 18)) as movement
    from journal
    group by all

),

carried as (

    select
        *,
        cast(
            sum(movement) over (
                partition by entity_id, currency, account
                order by posting_month
            ) as decimal(38, 18)
        ) as balance
    from moved

)

select * from carried
