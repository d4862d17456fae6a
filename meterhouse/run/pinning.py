"""The first step of a run: check what feeds money, and write down what the run knows."""

import duckdb

from meterhouse.run.book import flatten
from meterhouse.run.context import Run
from meterhouse.run.kept import BOOK, forget, is_kept, keep, made_of_book
from meterhouse.run.origin import write_origin

# Rows that feed money; their bytes are compared with their hashes before they are read. Files of
# events are compared when they are folded.
MONEY_FACTS = (
    *("book_versions", "documents", "billed_lines", "billed_determinants"),
    *("journal_entries", "journal_lines", "commands", "conflicts", "batches"),
    *("applications", "balance_moves", "voids", "exchange_rates"),
)


def pin_run(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Write what the run knows into ops.run and flatten the book as it was known then."""
    write_origin(run, db)
    db.execute("delete from ops.run")
    db.execute(
        "insert into ops.run values (?, ?, ?, ?)",
        [run.run_id, run.through, run.known_at, run.pin.snapshot],
    )
    made_of = made_of_book(run, db)
    if not is_kept(db, BOOK, made_of):
        forget(db, BOOK)
        flatten(db)
        keep(db, BOOK, made_of)


def verify_facts(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Raise the first damaged file among the facts that feed money."""
    damaged = run.lake.verify(db, MONEY_FACTS)
    if damaged:
        raise damaged[0]
