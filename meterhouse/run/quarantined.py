"""One quarantined event looked at closely, and what a retry or refusal would do; read-only."""

import json
import re
from collections.abc import Sequence
from typing import Any

import duckdb

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.nearest import nearest
from meterhouse.run.book import flatten
from meterhouse.run.classified_actions import UNKNOWN_ID
from meterhouse.run.quarantine import OPEN
from meterhouse.run.validation import check

NEAR = 3
NEXT_FAULT = re.compile(r"; (?=(?:The record|Event type|Subject|Time|Property|Action) )")
AGAIN = (
    "Deliver the event again with the same id and a good value, then refuse this one; or change "
    "the property in the book, and the next run releases it."
)
REMEDIES = {
    "bad_record": "Correct the record at its source and deliver it again, then refuse this one.",
    "unknown_type": "Add the event type to the book and `meterhouse apply` it, or correct the "
    "mapping of the source; the next run releases the event.",
    "unknown_subject": "Record the customer, or give one this subject as an alias, and "
    "`meterhouse apply` it; the next run releases the event.",
    "bad_time": "Deliver the event again with the same id and a time with an offset, then refuse "
    "this one.",
    "unknown_id": "Deliver the event itself under this id; the next run then amends or voids it. "
    "Or refuse this one.",
    "unknown_action": "Correct the action at its source and deliver the record again, then refuse "
    "this one.",
    "future_time": "Nothing, if the clock of the source is right: a run on a later day releases "
    "it. Else correct the clock, deliver again and refuse this one.",
}
HOLDS = "It holds now: the next run, or `meterhouse quarantine retry`, releases it."
ENDED = "Nothing: it was {status} by batch {batch}."
RECORD = f"""
select events.batch_seq || '-' || events.row_no as reference, events.source, events.event_id,
    events.event_type, events.subject, events.time_text as time, events.data, events.reason,
    events.detail, events.source_row, events.received_at, batches.name as file,
    ended.status, ended.batch_seq as ended_by,
    exists (select 1 from ({OPEN}) as open
        where open.batch_seq = events.batch_seq and open.row_no = events.row_no) as is_open
from facts.rejected_events as events
left join facts.batches as batches
    on batches.batch_seq = events.batch_seq and batches.source = events.source
left join facts.rejected_events as ended
    on ended.original_seq = events.batch_seq and ended.original_row = events.row_no
where events.status = 'quarantined' and events.batch_seq = ? and events.row_no = ?
"""


def parsed(reference: str) -> tuple[int, int]:
    """Batch and row of a reference like 12-3."""
    batch, _, row = reference.partition("-")
    if not (batch.isdecimal() and row.isdecimal()):
        raise UsageError(
            f"{reference!r} is not a reference to a quarantined event; give batch-row, like 12-3. "
            "Nothing was changed."
        )
    return int(batch), int(row)


def show(lake: Lake, reference: str) -> dict[str, Any]:
    """The whole record with every fault, then and now, and what the book knows that is near it."""
    batch_seq, row_no = parsed(reference)
    with lake.reading() as db:
        found = _dicts(db, RECORD, [batch_seq, row_no])
        if not found:
            raise UsageError(
                f"No event was quarantined as {reference}; `meterhouse quarantine list` shows "
                "the references of those that still are."
            )
        record = found[0]
        faults_now = _faults_now(lake, db, batch_seq, row_no) if record["is_open"] else []
        return {
            **{name: value for name, value in record.items() if name not in ("detail", "is_open")},
            "status": record["status"] or "quarantined",
            "data": json.loads(record["data"]) if record["data"] else None,
            "faults": _sentences(record["detail"]),
            "faults_now": faults_now,
            "book": _book(db, record),
            "remedy": _remedy(record, faults_now),
        }


def releasable(lake: Lake) -> list[dict[str, Any]]:
    """How many open events of each source a retry would look at and how many it would release."""
    with lake.reading() as db:
        _check(lake, db, "true")
        return _dicts(
            db,
            "select mapped.source, count(*) as open, "
            "count(*) filter (checked.reason is null) as releasable "
            "from checked join mapped using (original_seq, original_row) group by all order by all",
        )


def open_events(lake: Lake, references: Sequence[str]) -> list[dict[str, Any]]:
    """The open events that references name; refuses any that names none."""
    wanted = [f"({batch}, {row})" for batch, row in map(parsed, references)]
    with lake.reading() as db:
        found = _dicts(
            db,
            "select batch_seq || '-' || row_no as reference, source, event_id, event_type, "
            f"subject, time_text as time, reason, detail from ({OPEN}) "
            f"where (batch_seq, row_no) in ({', '.join(wanted)}) order by batch_seq, row_no",
        )
    missing = sorted({*references} - {row["reference"] for row in found})
    if missing:
        raise UsageError(
            f"{', '.join(missing)} names no open quarantined event; nothing was refused. "
            "`meterhouse quarantine list` shows them."
        )
    return found


def _faults_now(lake: Lake, db: duckdb.DuckDBPyConnection, batch: int, row: int) -> list[str]:
    _check(lake, db, f"batch_seq = {int(batch)} and row_no = {int(row)}")
    found = db.execute("select detail from checked where reason is not null").fetchone()
    return _sentences(found[0]) if found else []


def _check(lake: Lake, db: duckdb.DuckDBPyConnection, where: str) -> None:
    """Make `checked` of open events: the rules that the next run will apply."""
    flatten(db)
    db.execute(
        "create or replace temp table mapped as "
        "select source, row_number() over (order by batch_seq, row_no) as source_row, event_id, "
        "event_type, subject, time_text, data, action, "
        "case when reason = 'bad_record' then detail end as broken, batch_seq as original_seq, "
        f"row_no as original_row from ({OPEN}) where {where}"
    )
    now = lake.settings.now()
    check(db, now, now + lake.settings.future_tolerance)
    _name_unknown(db)


def _name_unknown(db: duckdb.DuckDBPyConnection) -> None:
    """Add to `checked` what only the lake can tell: whether the event of an action is known."""
    if db.execute("select 1 from checked where action is not null limit 1").fetchone() is None:
        return
    db.execute(
        "create or replace temp table known_ids as select source, event_id "
        "from facts.usage_events where (source, event_id) in "
        "(select source, event_id from checked where action is not null)"
    )
    db.execute(
        f"update checked set reason = 'unknown_id', detail = {UNKNOWN_ID} "
        "where action is not null and reason is null "
        "and (source, event_id) not in (select source, event_id from known_ids)"
    )


def _book(db: duckdb.DuckDBPyConnection, record: dict[str, Any]) -> dict[str, Any]:
    """The properties of the event's type, whom the subject names, and near names of either."""
    flatten(db)
    event_type, subject = record["event_type"], record["subject"]
    types = [row[0] for row in db.execute("select event_type from book.event_types").fetchall()]
    customers = _dicts(
        db, "select customer_id, from_on, until_on from book.subjects where subject = ?", [subject]
    )
    # There may be a hundred thousand subjects: the nearest are chosen by the engine.
    near = db.execute(
        "select distinct subject, levenshtein(subject, ?) as far from book.subjects "
        "order by far, subject limit 20",
        [subject or ""],
    ).fetchall()
    return {
        "is_type_known": event_type in types,
        "properties": _dicts(
            db,
            "select name, type, decimals, is_required from book.properties "
            "where event_type = ? order by name",
            [event_type],
        ),
        "near_types": [] if event_type in types else nearest(event_type or "", types, NEAR),
        "customers": customers,
        "near_subjects": []
        if customers
        else nearest(subject or "", [name for name, _ in near], NEAR),
    }


def _remedy(record: dict[str, Any], faults_now: list[str]) -> str:
    if not record["is_open"]:
        return ENDED.format(status=record["status"], batch=record["ended_by"])
    if not faults_now:
        return HOLDS
    return REMEDIES.get(record["reason"], AGAIN)


def _sentences(detail: str | None) -> list[str]:
    """The faults of a record, which validation.py joins by semicolons and may itself contain."""
    return [part.strip() + "." for part in NEXT_FAULT.split(detail or "") if part.strip()]


def _dicts(
    db: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    cursor = db.execute(query, list(parameters))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
