"""That what people asked of drafts is in them, once and as they asked."""

import duckdb
import polars as pl

from meterhouse.invoicing.by_hand import ADJUSTMENT, ONE_OFF
from meterhouse.invoicing.one_off_lines import PREFIX
from meterhouse.run import edits, one_offs
from meterhouse.run.invariants import Check

# One-offs that are due: as many lines as were asked for, billed or drafted.
ONE_OFFS = f"""
insert into by_hand
with asked as (
    select '{PREFIX}' || one_off_id as contract_id, json_array_length(payload, '$.lines') as lines
    from ({one_offs.STANDING})
    where kind = '{one_offs.COMMAND}'
        and (payload::json->>'$.date')::date <= (select through from ops.run)
),
held as (
    select contract_id, count(*) as lines from (
        select contract_id from billing.draft_lines where role = '{ONE_OFF}'
        union all
        select contract_id from facts.standing_lines where role = '{ONE_OFF}'
    ) group by contract_id
)
select contract_id, coalesce(asked.lines, 0)::decimal(38, 18),
    coalesce(held.lines, 0)::decimal(38, 18), 'lines of a one-off'
from asked full join held using (contract_id)
"""
# A line with what was edited of it comes to what was asked for.
EDITED = f"""
insert into by_hand
select lines.contract_id, case when op = 'waive' then 0 else value::decimal(38, 18) end,
    lines.amount + coalesce(own.amount, 0), 'edit ' || left(edit_id, 8)
from standing_in as edits
join billing.draft_lines as lines on lines.line_key = edits.line_key
left join billing.draft_lines as own on own.line_key = edits.key
where op in ('amount', 'waive')
union all
-- No adjustment without an edit that stands, and none twice.
select own.contract_id, 1, count(edits.edit_id), 'adjustment ' || left(own.line_key, 8)
from billing.draft_lines as own left join standing_in as edits on edits.key = own.line_key
where own.role = '{ADJUSTMENT}' group by own.contract_id, own.line_key
"""
BY_HAND = Check(
    "by_hand_is_billed_as_asked",
    "contract",
    True,
    "every one-off that is due is billed once, and every edit of a draft is in it as it was asked",
    "The drafts are not what people asked for; run again, and tell the engineers if it stays so.",
    # prepare_by_hand makes it: few homes have any.
    """
    select contract_id as scope_id, sum(expected) as expected, sum(actual) as actual,
        coalesce('first ' || min(what) filter (expected <> actual), 'all') as detail
    from by_hand group by contract_id
    """,
)


def prepare_by_hand(db: duckdb.DuckDBPyConnection) -> None:
    """Make temp table `by_hand`: contract_id, expected, actual, what; empty without commands."""
    db.execute(
        "create or replace temp table by_hand (contract_id varchar, expected decimal(38, 18), "
        "actual decimal(38, 18), what varchar)"
    )
    kinds = db.execute(
        "select distinct kind from facts.commands where kind in (?, ?)",
        [one_offs.COMMAND, edits.COMMAND],
    ).fetchall()
    if not kinds:
        return
    db.execute(ONE_OFFS)
    standing: pl.DataFrame = edits.standing(db)
    db.register("standing_in", standing.to_arrow())
    db.execute(EDITED)
    db.unregister("standing_in")
