"""The facts as a reader sees them: views `facts.*` that end at a batch."""

import contextlib

import duckdb

from meterhouse.canonical import short_hash
from meterhouse.schema import FACTS

# Lines of documents that were not voided. What a void appends has an id that no document has.
STANDING = """
from facts.billed_lines
semi join facts.documents using (document_id) anti join facts.voids using (document_id)
"""
# What was written off, but of documents that were voided: all of them is billed again.
WRITTEN_OFF = """
from facts.written_off
where original_number not in (select number from facts.voids where number is not null)
"""


def views(db: duckdb.DuckDBPyConnection, known_at: int | None) -> None:
    """Views `facts.*` over the attached lake that end at batch `known_at`.

    In one transaction: each that opens by itself asks the catalog anew what tables there are.
    """
    limit = "" if known_at is None else f" where batch_seq <= {int(known_at)}"
    made = [f"create or replace view facts.{t} as from lake.facts.{t}{limit}" for t in FACTS]
    made.append(f"create or replace view facts.standing_lines as {STANDING}")
    made.append(f"create or replace view facts.standing_write_offs as {WRITTEN_OFF}")
    _forget_mark(db)
    db.execute(f"begin; create schema if not exists facts; {'; '.join(made)}; commit")


def views_at(db: duckdb.DuckDBPyConnection, snapshot: int, known_at: int) -> None:
    """The same in a warehouse, which keeps its views: they are made only where others stand."""
    mark = short_hash([snapshot, known_at, STANDING, WRITTEN_OFF, *FACTS])
    if db.execute("select mark from ops.viewed").fetchall() == [(mark,)]:
        return
    views(db, known_at)
    db.execute("insert into ops.viewed values (?)", [mark])


def _forget_mark(db: duckdb.DuckDBPyConnection) -> None:
    """What a warehouse says of its views holds no more; other databases say nothing."""
    with contextlib.suppress(duckdb.CatalogException):
        db.execute("create or replace table ops.viewed (mark varchar)")
