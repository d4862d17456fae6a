select * from {{ ref('stg_facts__signed_events') }}
where batch_seq > {{ env_var('METERHOUSE_FOLD_FROM', '0') | int }}
