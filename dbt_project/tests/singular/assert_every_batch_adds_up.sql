-- Prevents usage that was received and is neither billed nor listed anywhere: revenue that leaks.
select
    batch_seq,
    row_no,
    source,
    name,
    difference
from {{ ref('batches') }}
where difference <> 0
