-- Prevents a customer who is chased for another sum than the books say is owed.
with

owed as (

    select
        entity_id,
        customer_id,
        currency,
        sum(debit - credit) as amount
    from {{ ref('journal') }}
    where account = 'accounts_receivable'
    group by all

),

listed as (

    select
        entity_id,
        customer_id,
        currency,
        sum(open_amount) as amount
    from {{ ref('open_invoices') }}
    group by all

),

compared as (

    select
        coalesce(owed.entity_id, listed.entity_id) as entity_id,
        coalesce(owed.customer_id, listed.customer_id) as customer_id,
        coalesce(owed.currency, listed.currency) as currency,
        coalesce(owed.amount, 0) as in_the_books,
        coalesce(listed.amount, 0) as in_the_list
    from owed
    full join listed
        on
            owed.entity_id = listed.entity_id
            and owed.customer_id = listed.customer_id
            and owed.currency = listed.currency

)

select * from compared
where in_the_books <> in_the_list
