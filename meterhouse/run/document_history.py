"""What happened to a document or draft: every step with who, when and why, from the facts."""

import json
from typing import Any

import duckdb

from meterhouse.errors import UsageError
from meterhouse.invoicing.content_diff import Difference, content_difference
from meterhouse.run.approvals import APPROVED
from meterhouse.run.approving import BY_RULES, ISSUED
from meterhouse.run.edits import COMMAND as EDITED
from meterhouse.run.edits import WITHDRAWN

WORDS = {
    APPROVED: "approved",
    BY_RULES: "approved by rules",
    "discard": "discarded",
    "reopen": "reopened",
    "sent": "sent",
    "void": "voided",
    "credit": "asked for",
    EDITED: "edited",
    WITHDRAWN: "edit withdrawn",
}
EDITS = (EDITED, WITHDRAWN)
# An amount as a person writes it: 7.5, 100.
PLAIN = r"regexp_replace(({})::varchar, '\.?0+$', '')"
# `rank` orders the steps of one batch.
STEPS = f"""
with asked as (select ?::varchar as id),
own as (select documents.* from facts.documents as documents join asked on document_id = id),
drafted as (
    select known_at as batch_seq, 7 as rank, null::timestamptz as given_at, null::varchar as who,
        'drafted' as step, null::varchar as why, content_hash,
        'by the run ' || run_id || ' through ' || through || ', which knew batch ' || known_at
            as what
    from own where kind <> 'credit_note' or run_id not like 'credit-%'
),
commanded as (
    select batch_seq, 1 as rank, given_at, actor as who, commands.kind as step,
        coalesce(payload->>'$.reason', payload->>'$.rules') as why, content_hash,
        null::varchar as what
    from facts.commands as commands join asked on subject_id = id
    where result = 'done' and kind not in {EDITS}
),
edited as (
    select batch_seq, 1 as rank, given_at, actor as who, kind as step,
        payload->>'$.reason' as why, null::varchar as content_hash,
        concat_ws(' ', payload->>'$.op', payload->>'$.what', payload->>'$.value',
            payload->>'$.text') as what
    from (select * from facts.commands where kind in {EDITS} and result = 'done'), asked
    where (payload->>'$.draft_id') = id
),
issued as (
    select own.batch_seq, 2 as rank, any_value(given_at) as given_at, any_value(actor) as who,
        'issued' as step, null as why, any_value(own.content_hash) as content_hash,
        'as ' || any_value(own.number) || ', posted on ' || any_value(own.posting_date) as what
    from own left join facts.commands as commands on commands.batch_seq = own.batch_seq
        and commands.kind in ('{ISSUED}', 'credit')
    group by own.batch_seq
),
paid as (
    select entries.batch_seq, 3 as rank, null as given_at, null as who, 'paid' as step, null as why,
        null as content_hash,
        {PLAIN.format("sum(lines.debit)")} || ' ' || any_value(entries.currency)
            || ' from prepaid money' as what
    from facts.journal_entries as entries join asked on document_id = id
    join facts.journal_lines as lines using (entry_id)
    where entries.event = 'prepaid.applied' group by entries.batch_seq
),
applied as (
    select applications.batch_seq, 4 as rank, commands.given_at, commands.actor as who,
        case when applications.document_id = id then 'lowered' else 'applied' end as step,
        applications.reason as why, null as content_hash,
        'by ' || {PLAIN.format("applications.amount")} || ' ' || applications.currency || ', '
            || replace(applications.kind, '_', ' ') || coalesce(' ' || other.number, '') as what
    from facts.applications as applications
    join asked on applications.document_id = id or applications.source_id = id
    left join facts.commands as commands using (command_id)
    left join facts.documents as other on other.document_id =
        case when applications.document_id = id then applications.source_id
            else applications.document_id end
),
delivered as (
    select batch_seq, 5 as rank, attempted_at as given_at, null as who, 'sent' as step, null as why,
        null as content_hash, 'attempt ' || attempt || ': ' || result as what
    from facts.deliveries join asked on message_id = 'document.issued-' || id
),
written as (
    select batch_seq, 6 as rank, rendered_at as given_at, null as who, 'written' as step,
        null as why, null as content_hash, 'as ' || form || ', sha256 ' || left(sha256, 8) as what
    from facts.renderings join asked on document_id = id
)
select * exclude (rank) from (
    from drafted union all from commanded union all from edited union all from issued
    union all from paid union all from applied union all from delivered union all from written
) order by batch_seq, rank, given_at, step, what
"""


def history(db: duckdb.DuckDBPyConnection, found: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a document or draft (id, number, content_hash) in their order.

    Each has batch_seq, given_at, who, step, why, what, and the content_hash it was taken on; a
    step that no person took names nobody.
    """
    cursor = db.execute(STEPS, [found["id"]])
    names = [column[0] for column in cursor.description or []]
    steps = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    if found["number"] is None:
        steps = [*_drafted(db, found), *steps]
        steps += _changed(steps, found["content_hash"])
    for step in steps:
        step["step"] = WORDS.get(step["step"], step["step"].replace("_", " "))
    return steps


def approved_difference(db: duckdb.DuckDBPyConnection, found: dict[str, Any]) -> Difference:
    """What of a draft or document differs from what was approved last.

    Raises UsageError where nobody approved it, or by a release that kept no content.
    """
    row = db.execute(
        "select payload->>'$.content' from facts.commands where kind = ? and subject_id = ? "
        "and result = 'done' order by batch_seq desc, row_no desc limit 1",
        [APPROVED, found["id"]],
    ).fetchone()
    if row is None or row[0] is None:
        why = "nobody approved it" if row is None else "its approval kept no content"
        raise UsageError(
            f"{found['number'] or found['id'][:8]} cannot be compared: {why}. Nothing was read."
        )
    now = json.loads(found["content"])
    # What issuing adds was not there to be approved.
    plain = {name: value for name, value in now.items() if name not in ("issue", "format")}
    return content_difference(json.loads(row[0]), plain)


def _drafted(db: duckdb.DuckDBPyConnection, found: dict[str, Any]) -> list[dict[str, Any]]:
    row = db.execute("select known_at, run_id, through from ops.run").fetchone()
    if row is None:
        return []
    what = f"by the run {row[1]} through {row[2]}, which knew batch {row[0]}"
    empty = dict.fromkeys(("given_at", "who", "why"))
    return [
        {"batch_seq": row[0], **empty, "step": "drafted", "what": what,
         "content_hash": found["content_hash"]}
    ]  # fmt: skip


def _changed(steps: list[dict[str, Any]], content_hash: str) -> list[dict[str, Any]]:
    """The last step of a draft that is not what was decided on any more."""
    decided = [one for one in steps if one["step"] in (APPROVED, "discard")]
    if not decided or decided[-1]["content_hash"] == content_hash:
        return []
    what = "it is not what it was then; `meterhouse invoices diff` shows how"
    empty = dict.fromkeys(("batch_seq", "given_at", "who", "why"))
    return [{**empty, "step": "changed", "what": what, "content_hash": content_hash}]
