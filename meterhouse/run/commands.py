"""Commands are facts: who asked for what, on which content, and what became of it."""

from collections.abc import Sequence

import duckdb
import polars as pl

from meterhouse.canonical import short_hash
from meterhouse.lake import Commit

SCHEMA = {
    "command_id": pl.String,
    "kind": pl.String,
    "actor": pl.String,
    "subject_id": pl.String,
    "content_hash": pl.String,
    "payload": pl.String,
    "result": pl.String,
    "sentence": pl.String,
}


def command_id(kind: str, subject: str, content: str | None, batch_seq: int) -> str:
    """The id of a command of this kind on this content, given with a batch."""
    return short_hash([kind, subject, content, batch_seq])


def record(
    commit: Commit,
    kind: str,
    subjects: Sequence[tuple[str, str | None]],
    payload: str,
    sentence: str,
) -> int:
    """Append one command per (subject id, content hash); returns the batch."""
    actor = commit.lake.settings.actor
    rows = [
        (
            command_id(kind, subject, content, commit.batch_seq),
            *(kind, actor, subject, content, payload, "done", sentence),
        )
        for subject, content in subjects
    ]
    commit.db.register("frame_in", pl.DataFrame(rows, schema=SCHEMA, orient="row").to_arrow())
    commit.append(
        "commands",
        "select *, ?::timestamptz as given_at from frame_in",
        [commit.lake.settings.now()],
    )
    commit.db.unregister("frame_in")
    return commit.batch_seq


def closed_until(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per entity with a closed period: the first day that is open again."""
    return db.sql(
        "select subject_id as entity_id, max(cast(content_hash as date)) as closed_until "
        "from facts.commands where kind = 'close' and result = 'done' group by subject_id"
    ).pl()
