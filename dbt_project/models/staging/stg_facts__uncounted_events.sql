{# Metered events that the check of conservation has not added up yet. -#}
{{ metered_events(ref('stg_facts__signed_events'), source('ops', 'conserve_plan'), 'event_type') }}
