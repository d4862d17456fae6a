"""Who has a hand in a draft: by its lines, by commands on it, and not once they are withdrawn."""

import duckdb
import polars as pl

from meterhouse.run.document_history import history
from meterhouse.run.manual import changed_by_hand

COMMANDS = [
    ("e1", "edit_draft", "ann", "key", '{"draft_id":"a","op":"amount","reason":"agreed"}'),
    ("e2", "edit_draft", "bob", "key", '{"draft_id":"a"}'),
    ("w2", "edit_withdrawn", "bob", "e2", '{"draft_id":"a","reason":"no"}'),
    ("o1", "one_off", "eve", "gift", "{}"),
    ("p1", "approve", "joe", "c", "{}"),
]
LINES = [("a", "main", "usage"), ("b", "one-off:gift", "one_off"), ("c", "main", "usage")]
TABLES = {
    "documents": "document_id varchar, number varchar, kind varchar, run_id varchar, "
    "through date, known_at bigint, posting_date date, content_hash varchar, batch_seq bigint",
    "journal_entries": "entry_id varchar, document_id varchar, event varchar, currency varchar, "
    "batch_seq bigint",
    "journal_lines": "entry_id varchar, debit decimal(38, 18)",
    "applications": "document_id varchar, source_id varchar, kind varchar, amount decimal(38, 18), "
    "currency varchar, command_id varchar, reason varchar, batch_seq bigint",
    "deliveries": "message_id varchar, attempt bigint, result varchar, attempted_at timestamptz, "
    "batch_seq bigint",
    "renderings": "document_id varchar, form varchar, sha256 varchar, rendered_at timestamptz, "
    "batch_seq bigint",
    "commands": "command_id varchar, kind varchar, actor varchar, subject_id varchar, "
    "payload varchar, content_hash varchar, result varchar, given_at timestamptz, "
    "batch_seq bigint, row_no bigint",
}


def known(db):
    db.execute("create schema facts; create schema billing; create schema ops")
    for name, columns in TABLES.items():
        db.execute(f"create table facts.{name} ({columns})")
    db.execute(
        "create table billing.draft_lines (draft_id varchar, contract_id varchar, role varchar)"
    )
    db.execute(
        "create table ops.run as select 1 as known_at, 'r' as run_id, current_date as through"
    )
    db.executemany("insert into billing.draft_lines values (?, ?, ?)", LINES)
    for number, row in enumerate(COMMANDS, 2):
        db.execute(
            "insert into facts.commands values (?, ?, ?, ?, ?, 'h', 'done', now(), ?, 1)",
            [*row, number],
        )


def test_people_are_known_by_edits_that_stand_and_by_invoices_they_asked_for():
    with duckdb.connect() as db:
        known(db)
        drafts = pl.DataFrame({"draft_id": ["a", "b", "c"]})
        found = changed_by_hand(db, drafts)
    assert set(found.iter_rows()) == {("a", "ann"), ("b", "eve"), ("b", None)}


def test_edits_and_what_was_lowered_or_paid_stand_in_the_history():
    with duckdb.connect() as db:
        known(db)
        db.execute(
            "insert into facts.applications values "
            "('a', 'n', 'credit_note', 12.5, 'EUR', 'e1', 'too much', 9)"
        )
        db.execute(
            "insert into facts.journal_entries values ('x', 'a', 'prepaid.applied', 'EUR', 8)"
        )
        db.execute("insert into facts.journal_lines values ('x', 100), ('x', 0)")
        told = history(db, {"id": "a", "number": None, "content_hash": "h"})
    assert [(one["step"], one["who"], one["why"], one["what"]) for one in told[1:]] == [
        ("edited", "ann", "agreed", "amount"),
        ("edited", "bob", None, ""),
        ("edit withdrawn", "bob", "no", ""),
        ("paid", None, None, "100 EUR from prepaid money"),
        ("lowered", "ann", "too much", "by 12.5 EUR, credit note"),
    ]
