"""The first step of a run: check what feeds money, and write down what the run knows."""

import duckdb

from meterhouse.errors import MeterhouseError
from meterhouse.run.book import flatten
from meterhouse.run.context import Run
from meterhouse.run.kept import BOOK, forget, is_kept, keep, made_of_book

# Rows that feed money; their bytes are compared with their hashes before they are read. Files of
# events are compared when they are folded.
MONEY_FACTS = (
    *("book_versions", "documents", "billed_lines", "billed_determinants"),
    *("journal_entries", "journal_lines", "commands", "conflicts", "batches"),
)


class OtherLake(MeterhouseError):
    """A warehouse that was derived from facts which the lake beside it does not hold."""

    def __init__(self, path: object) -> None:
        super().__init__(
            f"The warehouse {path} was not derived from this lake, or from a newer state of it. "
            "Nothing was run. Delete the folder of the warehouse; the next run makes it again."
        )


def pin_run(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Write what the run knows into ops.run and flatten the book as it was known then."""
    _refuse_other_lake(run, db)
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


def _refuse_other_lake(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    born = db.execute(
        "select table_uuid::varchar from ducklake_table_info('lake') "
        "where table_name = 'usage_events'"
    ).fetchone()
    known = db.execute(
        "select (select lake_id from ops.lake), "
        "(select coalesce(max(folded_seq), 0) from ops.folded)"
    ).fetchone()
    lake_id, folded = known if known else (None, 0)
    own = born[0] if born else None
    if lake_id not in (None, own) or folded > run.known_at:
        raise OtherLake(run.warehouse.path)
    if lake_id is None:
        db.execute("insert into ops.lake values (?)", [own])
