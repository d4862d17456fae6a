-- Prevents money of customers that the books do not owe, or owe without anybody having it.
with

balances as (

    select
        entity_id,
        customer_id,
        currency,
        sum(remaining) as remaining
    from {{ ref('customer_balances') }}
    group by all

),

ledger as (

    select
        entity_id,
        customer_id,
        currency,
        sum(credit - debit) as owed
    from {{ ref('journal') }}
    where account = 'customer_credits'
    group by all

)

select
    coalesce(balances.entity_id, ledger.entity_id) as entity_id,
    coalesce(balances.customer_id, ledger.customer_id) as customer_id,
    coalesce(balances.currency, ledger.currency) as currency,
    balances.remaining,
    ledger.owed
from balances
full outer join ledger
    on
        balances.entity_id = ledger.entity_id
        and balances.customer_id = ledger.customer_id
        and balances.currency = ledger.currency
where coalesce(balances.remaining, 0) <> coalesce(ledger.owed, 0)
