"""Edits of drafts as facts: which of them stand, and what became of each."""

from typing import Any

import duckdb
import polars as pl

from meterhouse.invoicing.edits import EDITS
from meterhouse.invoicing.one_off_lines import PREFIX
from meterhouse.run.one_offs import COMMAND as ONE_OFF
from meterhouse.run.one_offs import WITHDRAWN as ONE_OFF_WITHDRAWN

COMMAND, WITHDRAWN = "edit_draft", "edit_withdrawn"
GIVEN = f"""
select command_id as edit_id, subject_id, actor, given_at, batch_seq, row_no,
    payload::json as told, payload::json->>'$.op' as op,
    exists (
        select 1 from facts.commands as later
        where later.kind = '{WITHDRAWN}' and later.subject_id = commands.command_id
    ) as is_withdrawn
from facts.commands as commands where kind = '{COMMAND}' and result = 'done'
"""
# An edit is over once its line (or for a header its draft) was issued after it was made, as long
# as that document stands. Of two edits that set the same thing the newer one holds.
STATES = f"""
with given as ({GIVEN}),
newest as (
    select line_key as target, max(batch_seq) as batch_seq from facts.standing_lines
    where line_key in (
        select told->>'$.line_key' from given union all select told->>'$.key' from given
    )
    group by 1
    union all
    select document_id, max(batch_seq) from facts.standing_lines
    where document_id in (select told->>'$.draft_id' from given) group by 1
)
select *, row_number() over (
        partition by subject_id, is_withdrawn, is_issued, case
            when op in ('amount', 'discount', 'percent', 'quantity', 'waive') then 'money'
            when op = 'add' then edit_id else op end
        order by batch_seq desc, row_no desc
    ) > 1 as is_replaced
from (
    select *, exists (
        select 1 from newest
        where newest.batch_seq > given.batch_seq and target in (
            told->>'$.key', told->>'$.line_key',
            case when (told->>'$.line_key') is null and op <> 'add' then told->>'$.draft_id' end
        )
    ) as is_issued
    from given
)
"""
STANDING = f"""
select edit_id, op, told->>'$.draft_id' as draft_id, told->>'$.line_key' as line_key,
    told->>'$.value' as value, told->>'$.text' as text, told->>'$.key' as key,
    told->>'$.contract_id' as contract_id, told->>'$.customer_id' as customer_id,
    told->>'$.zone' as zone, told->>'$.payer_id' as payer_id, told->>'$.entity_id' as entity_id,
    told->>'$.currency' as currency, told->>'$.terms_id' as terms_id,
    told->>'$.for_contract' as for_contract, (told->>'$.boundary_on')::date as boundary_on,
    (told->>'$.from_on')::date as from_on, (told->>'$.until_on')::date as until_on,
    (told->>'$.starts_at')::timestamptz as starts_at, (told->>'$.ends_at')::timestamptz as ends_at
from ({STATES}) where not is_withdrawn and not is_issued and not is_replaced
order by batch_seq, row_no
"""
# Drafts of which people said something after the run that made them.
SINCE = f"""
with given as (
    select kind, subject_id, payload from facts.commands
    where kind in ('{COMMAND}', '{WITHDRAWN}', '{ONE_OFF}', '{ONE_OFF_WITHDRAWN}')
        and batch_seq > (select max(known_at) from ops.run)
),
named as (
    select payload::json->>'$.draft_id' as draft_id from given
    where kind in ('{COMMAND}', '{WITHDRAWN}')
    union
    select draft_id from billing.drafts
    where contract_id in (
        select '{PREFIX}' || subject_id from given
        where kind in ('{ONE_OFF}', '{ONE_OFF_WITHDRAWN}')
    )
)
select draft_id from named
"""
CHANGED = "It was edited after the last run; run `meterhouse run --through DATE`, then issue."


def standing(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """The edits that drafts are made with, as EDITS; looked for only where there are any."""
    given = db.execute(f"select 1 from facts.commands where kind = '{COMMAND}' limit 1").fetchone()
    if given is None:
        return pl.DataFrame(schema=EDITS)
    return db.sql(STANDING).pl().select(pl.col(n).cast(kind) for n, kind in EDITS.items())


def changed_since(db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame) -> dict[str, str]:
    """Drafts that were edited after their run, with the sentence that says so."""
    named = {row[0] for row in db.execute(SINCE).fetchall()}
    return {one: CHANGED for one in drafts["draft_id"].to_list() if one in named}


def of_lines(db: duckdb.DuckDBPyConnection, document_id: str) -> dict[str, list[dict[str, Any]]]:
    """By line key the edits of a document's lines, on the line and on what it made."""
    rows = db.execute(
        f"""
        select edit_id, op, told->>'$.value' as value, told->>'$.text' as text, actor,
            given_at::varchar as given_at, told->>'$.reason' as reason,
            told->>'$.line_key' as line_key, told->>'$.key' as key
        from ({GIVEN}) where not is_withdrawn and (told->>'$.draft_id') = ?
        order by batch_seq, row_no
        """,
        [document_id],
    )
    names = [column[0] for column in rows.description or []]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows.fetchall():
        one = dict(zip(names, row, strict=True))
        for key in {one.pop("line_key"), one.pop("key")} - {None}:
            found.setdefault(key, []).append(one)
    return found


def listed(db: duckdb.DuckDBPyConnection, draft_id: str | None = None) -> list[dict[str, Any]]:
    """Every edit, or those of one draft: what, who, when, why, and its state.

    `applied` and `orphaned` are what the drafts of the last run say; `new` was given after it.
    """
    rows = db.execute(
        f"""
        select edit_id, told->>'$.draft_id' as draft_id, told->>'$.line_key' as line_key, op,
            told->>'$.value' as value, told->>'$.text' as text, told->>'$.reason' as reason,
            actor, given_at, told->>'$.what' as what,
            case when is_withdrawn then 'withdrawn' when is_issued then 'issued'
                when is_replaced then 'replaced'
                when batch_seq > (select max(known_at) from ops.run) then 'new'
                when op = 'add' and (told->>'$.key') not in
                    (select line_key from billing.draft_lines) then 'orphaned'
                when (told->>'$.line_key') is not null and (told->>'$.line_key') not in
                    (select line_key from billing.draft_lines) then 'orphaned'
                when (told->>'$.line_key') is null and op <> 'add' and (told->>'$.draft_id') not in
                    (select draft_id from billing.drafts) then 'orphaned'
                else 'applied' end as state
        from ({STATES})
        where $draft is null or (told->>'$.draft_id') = $draft
        order by batch_seq, row_no
        """,
        {"draft": draft_id},
    )
    names = [column[0] for column in rows.description or []]
    return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
