-- Prevents a customer who loses money by corrections that are not issued, and sums nobody sees.
with

listed as (

    select
        draft_id,
        sum(amount) as amount
    from {{ ref('write_offs') }}
    group by all

),

facts as (

    select
        draft_id,
        sum(amount) as amount
    from {{ source('facts', 'written_off') }}
    group by all

)

select
    facts.draft_id,
    facts.amount,
    listed.amount as listed_amount
from facts
left join listed on facts.draft_id = listed.draft_id
where facts.amount <= 0 or listed.amount is distinct from facts.amount
