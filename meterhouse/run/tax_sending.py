"""Telling tax engines of issued and voided documents: each message until it is delivered.

Every message is safe to repeat, so one whose delivery was not written down is simply sent again.
"""

import json
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.errors import MeterhouseError, SourceUnavailable, UsageError
from meterhouse.invoicing.tax_engine import TaxEngine
from meterhouse.lake import Commit, Lake
from meterhouse.run.tax_asking import TABLE, engine_of
from meterhouse.run.tax_outbox import RECORD, VOID
from meterhouse.warehouse import Warehouse

DELIVERED = "delivered"
# A document that was taken back there need not be recorded there any more.
PENDING = f"""
with tried as (
    select message_id, count(*) as attempts, bool_or(result = '{DELIVERED}') as is_delivered
    from facts.deliveries where message_id like 'tax.%' group by message_id
)
select outbox.message_id, outbox.kind, outbox.payload, coalesce(attempts, 0) + 1 as attempt,
    documents.document_id, documents.number, documents.kind as document_kind,
    documents.invoice_date::varchar as date, documents.tax::varchar as tax,
    answers.question
from facts.outbox as outbox
join facts.documents as documents on documents.document_id = outbox.subject_id
left join tried using (message_id)
left join facts.tax_answers as answers on answers.question_sha256 = coalesce(
    outbox.payload->>'$.question', outbox.payload->>'$.original'
)
where outbox.kind in ('{RECORD}', '{VOID}') and not coalesce(is_delivered, false)
and '{VOID}-' || outbox.subject_id not in (select message_id from tried where is_delivered)
qualify row_number() over (partition by outbox.message_id order by answers.asked_at) = 1
order by outbox.batch_seq, outbox.row_no
"""
HELD = "price_holds_tax"
NOTED = """
select lines.line_no, credits_line, lines.amount::varchar as amount,
    coalesce(sum(taxes.tax), 0)::varchar as tax
from facts.billed_lines as lines
left join facts.line_taxes as taxes using (document_id, line_no)
where lines.document_id = ? group by all order by line_no
"""
DRAFTED = f"""
select draft_id as name, engine, question, fault from {TABLE} where starts_with(draft_id, ?)
"""
ISSUED = f"""
select documents.number as name, answers.engine, answers.question, null as fault, answers.answer
from facts.documents as documents
join facts.outbox as outbox
    on outbox.subject_id = documents.document_id and outbox.kind = '{RECORD}'
join facts.tax_answers as answers
    on answers.question_sha256 = (outbox.payload->>'$.question')
where documents.number = ? order by answers.asked_at limit 1
"""


@dataclass(frozen=True)
class Sent:
    """What came of one message; `result` is 'delivered', or the sentence that says why not."""

    number: str
    kind: str
    engine: str
    result: str


def pending(lake: Lake) -> list[dict[str, Any]]:
    """The messages that are not delivered, in the order in which they were written."""
    with lake.reading() as db:
        rows = db.execute(PENDING).pl().to_dicts()
        for row in rows:
            row["engine"] = json.loads(row["payload"])["engine"]
            if "original" in json.loads(row["payload"]):
                row["question"] = _of_note(db, row)
    return rows


def send(lake: Lake) -> list[Sent]:
    """Try every message that is not delivered, and record what came of each."""
    with lake.run_lock.held():
        rows = pending(lake)
        engines: dict[str, TaxEngine] = {}
        down: dict[str, str] = {}
        done = [_sent(lake, row, engines, down) for row in rows]
        if rows:
            _record(lake, rows, done)
    return done


def question_of(lake: Lake, name: str) -> dict[str, Any]:
    """What an engine is or was asked about a draft (the beginning of its id) or a document."""
    with lake.reading() as db:
        found = db.execute(ISSUED, [name]).pl().to_dicts()
    if not found and lake.settings.warehouse.exists():
        with Warehouse(lake).connect(lake.head()) as db:
            found = db.execute(DRAFTED, [name]).pl().to_dicts()
    if len(found) != 1:
        raise UsageError(
            f"No engine is asked about {name}: it is no draft of the last run and no document "
            "whose taxes an engine said. `meterhouse drafts list` shows the drafts."
        )
    (row,) = found
    return {"answer": None, **row, "question": json.loads(row["question"])}


def _of_note(db: duckdb.DuckDBPyConnection, row: dict[str, Any]) -> str:
    """The question of a credit note by hand: what it takes back, as of the day of the original."""
    original = json.loads(row["question"])
    lines = {line["line_no"]: line for line in original["lines"]}
    own = [
        {
            # What a note takes back of a line is without its tax.
            **{name: value for name, value in lines[credited].items() if name != HELD},
            "amount": amount,
            "line_no": line_no,
            # Its share of what the engine said of the whole line, which no rate gives to the cent.
            "tax": tax,
            "tax_on": lines[credited]["tax_on"] or original["date"],
        }
        for line_no, credited, amount, tax in db.execute(NOTED, [row["document_id"]]).fetchall()
    ]
    told = {**original, "date": row["date"], "kind": "credit_note", "lines": own}
    return canonical_json(told)


def _sent(
    lake: Lake, row: dict[str, Any], engines: dict[str, TaxEngine], down: dict[str, str]
) -> Sent:
    name = row["engine"]
    about = (row["number"], row["kind"], name)
    if name in down:
        return Sent(*about, down[name])
    try:
        engine = engines.setdefault(name, engine_of(lake.settings, name))
        if row["kind"] == VOID:
            engine.void(row["document_kind"], row["number"])
        else:
            engine.record(row["question"], row["number"], row["tax"])
    except SourceUnavailable as error:
        down[name] = error.reason
        return Sent(*about, error.reason)
    except MeterhouseError as error:
        return Sent(*about, getattr(error, "reason", str(error)))
    return Sent(*about, DELIVERED)


def _record(lake: Lake, rows: list[dict[str, Any]], done: list[Sent]) -> None:
    frame = pl.DataFrame(
        {
            "message_id": [row["message_id"] for row in rows],
            "attempt": [row["attempt"] for row in rows],
            "result": [one.result for one in done],
        }
    )

    def write(commit: Commit) -> None:
        commit.db.register("frame_in", frame.to_arrow())
        commit.append(
            "deliveries",
            "select *, ?::timestamptz as attempted_at from frame_in",
            [lake.settings.now()],
        )
        commit.db.unregister("frame_in")

    with lake.session() as session:
        lake.commit(session, write, takes_number=False)
