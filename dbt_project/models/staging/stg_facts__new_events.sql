-- All columns: the book adds properties.
select * from {{ ref('stg_facts__signed_events') }}  -- noqa: AM04
where batch_seq > {{ env_var('METERHOUSE_FOLD_FROM', '0') | int }}
