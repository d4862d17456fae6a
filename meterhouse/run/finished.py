"""Whether anything has changed since the last run that came to its end.

A run is a function of the facts, the day, the code and the home's own documents. When all of them
are what they were, a second run could only find the difference to be nothing; it says so at once.
`meterhouse run --full` goes the whole way all the same.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.durable import file_sha256
from meterhouse.lake import Lake
from meterhouse.run.context import Run, code_hash
from meterhouse.settings import FILE, Settings
from meterhouse.warehouse import Warehouse

TABLE = """
create table if not exists ops.finished (
    head bigint, through date, code varchar, documents varchar, run_id varchar, known_at bigint,
    summary varchar
)
"""


def forget_finish(db: duckdb.DuckDBPyConnection) -> None:
    """Take back that a run came to its end here: another one begins to replace its tables."""
    db.execute("drop table if exists ops.finished")


def record_finish(
    run: Run, db: duckdb.DuckDBPyConnection, issued_as: int | None, summary: dict[str, Any]
) -> None:
    """Write that a run came to its end, and what the next one says if nothing changes, as JSON.

    `issued_as` is the batch it issued documents in. A batch that somebody else committed while it
    ran is not part of it: then the head it knows is no more the head, and the next run does all.
    """
    head = issued_as if issued_as == run.known_at + 1 else run.known_at
    db.execute(f"begin; {TABLE}; delete from ops.finished")
    db.execute(
        "insert into ops.finished values (?, ?, ?, ?, ?, ?, ?)",
        [
            head,
            run.through,
            code_hash(run.lake.settings.models),
            _documents_hash(run.lake.settings),
            run.run_id,
            run.known_at,
            canonical_json(summary),
        ],
    )
    db.execute("commit")


def unchanged_since(lake: Lake, through: date) -> dict[str, Any] | None:
    """What the last finished run had to say, with its run_id and known_at, if another run through
    the same day would only repeat it; else None."""
    warehouse = Warehouse(lake)
    if not (warehouse.path.exists() and lake.settings.published.exists()):
        return None
    code = code_hash(lake.settings.models)
    now = [lake.head().batch_seq, through, code, _documents_hash(lake.settings)]
    row = _finished(warehouse, now)
    if row is None:
        return None
    return {**json.loads(row[2]), "run_id": row[0], "known_at": row[1]}


def _finished(warehouse: Warehouse, now: list[Any]) -> tuple[Any, ...] | None:
    try:
        with duckdb.connect(str(warehouse.path), read_only=True) as db:
            return db.execute(
                "select run_id, known_at, summary from ops.finished "
                "where head = ? and through = ? and code = ? and documents = ?",
                now,
            ).fetchone()
    except duckdb.Error:
        return None  # No run has finished here, or the file is not whole: run.


def _documents_hash(settings: Settings) -> str:
    """Hash of what a run reads beside the facts: settings, expectations, and who runs it."""
    found = [(path.name, file_sha256(path)) for path in _documents(settings)]
    # What one person may not issue another may.
    found.append(("actor", settings.actor))
    return sha256_text(canonical_json([list(pair) for pair in found]))


def _documents(settings: Settings) -> Iterator[Path]:
    yield settings.home / FILE
    yield from sorted((settings.home / "expectations").glob("*.yaml"))
