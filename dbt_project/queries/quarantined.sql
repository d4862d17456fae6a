-- Question: Which records are kept out, from where and why?
-- Row: source, reason and event type of records that nobody has released or refused
-- Parameter source (text, default all): Logical source.
-- Column source: Logical source of the records.
-- Column reason: First fault in one word.
-- Column event_type: Event type as it was written; null if it had none.
-- Column records: Records kept out.
-- Column subjects: Names of users among them.
-- Column first_received_at: UTC instant of the oldest.
-- Column last_received_at: UTC instant of the newest.
-- Column example: Reference of the oldest, for `meterhouse quarantine show`.
select
    source,
    reason,
    event_type,
    count(*) as records,
    count(distinct subject) as subjects,
    min(received_at) as first_received_at,
    max(received_at) as last_received_at,
    arg_min(batch_seq || '-' || row_no, (received_at, batch_seq, row_no)) as example
from reporting.quarantine_open
where source = coalesce($source, source)
group by all
order by all
