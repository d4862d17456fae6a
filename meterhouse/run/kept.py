"""Steps whose tables stand from run to run as long as all that they are made of is what it was.

ops.kept holds, for each such step, what its tables were made of. A step that makes them anew takes
its row away before and writes it afterwards, so that one that was interrupted is repeated.
`meterhouse run --full` forgets all of them.
"""

from collections.abc import Sequence
from typing import Any

import duckdb

from meterhouse.canonical import short_hash
from meterhouse.run.context import Run, code_hash
from meterhouse.run.inputs import forget_rated

BOOK, WINDOWS = "book", "windows"


def made_of_book(run: Run, db: duckdb.DuckDBPyConnection) -> str:
    """What the tables of schema book are made of: the recorded documents, and our code."""
    row = db.execute(
        "select count(*), coalesce(max(batch_seq), 0), "
        "coalesce(bit_xor(hash(batch_seq, row_no, row_hash)), 0) from facts.book_versions"
    ).fetchone()
    return _hash([code_hash(run.lake.settings.models), *map(str, row or ())])


def made_of_windows(db: duckdb.DuckDBPyConnection, *span: str) -> str | None:
    """What the charge windows are made of; None where nobody says of what the book was made."""
    row = db.execute("select made_of from ops.kept where step = ?", [BOOK]).fetchone()
    return None if row is None else _hash([str(row[0]), *span])


def is_kept(db: duckdb.DuckDBPyConnection, step: str, made_of: str | None) -> bool:
    """Whether the tables of the step stand, and are made of this."""
    row = db.execute("select made_of from ops.kept where step = ?", [step]).fetchone()
    return row is not None and made_of is not None and row[0] == made_of


def keep(db: duckdb.DuckDBPyConnection, step: str, made_of: str | None) -> None:
    """Write that the tables of the step stand."""
    if made_of is not None:
        db.execute("insert or replace into ops.kept values (?, ?)", [step, made_of])


def forget(db: duckdb.DuckDBPyConnection, *steps: str) -> None:
    """Have the steps make their tables again, all without a name.

    Determinants are added up again with the windows, so they go with them.
    """
    db.execute("begin")
    for step in steps or (BOOK, WINDOWS):
        db.execute("delete from ops.kept where step = ?", [step])
    if not steps:
        forget_rated(db)
    if not steps or WINDOWS in steps:
        db.execute("delete from ops.determined")
        db.execute("drop table if exists usage.determinants")
    db.execute("commit")


def _hash(parts: Sequence[Any]) -> str:
    return short_hash(list(parts))
