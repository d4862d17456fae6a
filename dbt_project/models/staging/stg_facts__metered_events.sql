{{ metered_events(ref('stg_facts__new_events'), source('ops', 'fold_plan')) }}
