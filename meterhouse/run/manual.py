"""Which drafts a person has a hand in, and who it was: edits, invoices that no contract makes."""

import duckdb
import polars as pl

from meterhouse.invoicing.by_hand import BY_HAND
from meterhouse.invoicing.one_off_lines import PREFIX
from meterhouse.run.edits import COMMAND as EDITED
from meterhouse.run.edits import WITHDRAWN
from meterhouse.run.one_offs import COMMAND as ONE_OFF

CHANGED = f"""
with own as (
    select draft_id, contract_id, role from billing.draft_lines
    semi join drafts_in using (draft_id)
),
given as (
    select command_id, kind, subject_id, actor,
        case when kind = '{EDITED}' then payload->>'$.draft_id' end as draft_id
    from facts.commands where kind in ('{EDITED}', '{ONE_OFF}') and result = 'done'
)
select draft_id, cast(null as varchar) as actor from own where role in {BY_HAND}
union
select draft_id, actor from given semi join drafts_in using (draft_id)
where kind = '{EDITED}' and command_id not in (
    select subject_id from facts.commands where kind = '{WITHDRAWN}'
)
union
select own.draft_id, given.actor
from own join given on own.contract_id = '{PREFIX}' || given.subject_id
where given.kind = '{ONE_OFF}'
"""


def changed_by_hand(db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame) -> pl.DataFrame:
    """One row per draft and person that made or changed something of it: draft_id, actor.

    The actor is null where only the line says that it was a person.
    """
    db.register("drafts_in", drafts.select("draft_id").to_arrow())
    found = db.sql(CHANGED).pl()
    db.unregister("drafts_in")
    return found
