{# What decides whether a customer's usage is judged: since when there is any, until when contracts
   run, and whether the settings ignore it. -#}
with

fates as (

    select * from {{ ref('fates') }}

),

contracts as (

    select * from {{ source('book', 'contracts') }}

),

watch as (

    select * from {{ source('ops', 'watch') }}
    where customer_id is not null

),

firsts as (

    select
        customer_id,
        min(event_day) as first_on
    from fates
    group by customer_id

),

ends as (

    select
        customer_id,
        max(coalesce(end_on, date '9999-12-31')) as contract_end_on
    from contracts
    group by customer_id

)

select
    firsts.customer_id,
    firsts.first_on,
    ends.contract_end_on,
    coalesce(watch.is_ignored, false) as is_ignored
from firsts
left join ends on firsts.customer_id = ends.customer_id
left join watch on firsts.customer_id = watch.customer_id
