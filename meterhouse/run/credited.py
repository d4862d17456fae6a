"""What people credited by hand and no run may take back once more, for the check of the drafts.

The rule is that of invoicing/difference.py and holds for each line by itself: at least what people
credited of a line stays wanted of it, whatever the other lines of its window cost.
"""

import duckdb

from meterhouse.run.billed import CREDITED, KEY, held_lines

TABLE = "credited_windows"
EMPTY = f"""
create or replace temp table {TABLE} (
    contract_id varchar, window_id varchar, kept decimal(38, 18)
)
"""
# A line is one row of what is desired, or none; its window is the one it was billed with.
KEPT = f"""
insert into {TABLE}
with own as (
    select {KEY}, any_value(window_id) as window_id, any_value(credited) as credited
    from facts.standing_lines join ({CREDITED}) using (line_key)
    where hash(contract_id) in (select contract_no from ops.looked_at)
        and (due_on <= (select through from ops.run) or (contract_id, due_on) in (
            select (contract_id, due_on) from billing.early_windows where is_reached
        ))
        -- What people added is desired by no contract.
        and role not in ('one_off', 'adjustment')
    group by {KEY}
),
wanted as (
    select {KEY}, sum(amount) as amount from billing.desired_lines
    semi join own using ({KEY})
    where (contract_id, due_on) not in (
        select (contract_id, due_on) from billing.early_windows where not is_reached
    )
    group by {KEY}
),
lines as (
    select own.contract_id, own.window_id, credited, coalesce(amount, 0) as desired
    from own left join wanted using ({KEY})
)
select contract_id, window_id, sum(case
    when credited > 0 then greatest(desired, credited) - desired
    when credited < 0 then least(desired, credited) - desired
    else 0 end)
from lines group by contract_id, window_id
"""


def keep_credited(db: duckdb.DuckDBPyConnection) -> None:
    """Make temp table `credited_windows`: contract_id, window_id, and `kept`, what stays wanted
    of its lines above what is desired; it is empty in a book without credit notes by hand."""
    db.execute(EMPTY)
    if held_lines(db).has_notes:
        db.execute(KEPT)
