"""Record the book: what a folder of documents would change, and the commit that records it."""

import json
from pathlib import Path

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.catalog.loading import load_folder
from meterhouse.catalog.plan import Change, Version, changes_to_record, plan, union
from meterhouse.catalog.references import check
from meterhouse.errors import BookFault
from meterhouse.lake import Commit, Lake
from meterhouse.schema import PROPERTY_PREFIX, property_type

VERSION_SCHEMA = {
    "kind": pl.String,
    "doc_id": pl.String,
    "valid_from": pl.Date,
    "content": pl.String,
    "content_sha256": pl.String,
}


def plan_book(lake: Lake, folder: Path | None = None) -> list[Change]:
    """Every document of the folder and of the record, with what `apply_book` would do to it."""
    documents = load_folder(folder or lake.settings.book)
    with lake.reading() as db:
        recorded = recorded_versions(db)
    faults = check(union(recorded, documents), recorded)
    if faults:
        raise BookFault(faults)
    return plan(recorded, documents)


def apply_book(lake: Lake, folder: Path | None = None) -> tuple[list[Change], int | None]:
    """Record the new and changed versions in one commit; its number, or None if none changed."""
    with lake.write_lock.held():
        changes = plan_book(lake, folder)
        new = changes_to_record(changes)
        if not new:
            return changes, None
        with lake.session() as db:
            _add_property_columns(lake, db, new)
            return changes, lake.commit(db, lambda commit: _record(commit, new))


def _record(commit: Commit, changes: list[Change]) -> int:
    frame = pl.DataFrame(
        [
            (c.kind, c.id, c.valid_from, canonical_json(c.content), c.content_sha256)
            for c in changes
        ],
        schema=VERSION_SCHEMA,
        orient="row",
    )
    commit.db.register("versions", frame.to_arrow())
    commit.append("book_versions", "select * from versions")
    commit.db.unregister("versions")
    return commit.batch_seq


def _add_property_columns(lake: Lake, db: duckdb.DuckDBPyConnection, changes: list[Change]) -> None:
    """Typed columns come in a transaction of their own, before any data that fills them."""
    wanted = {
        PROPERTY_PREFIX + name: property_type(prop["type"], int(prop.get("decimals") or 0))
        for change in changes
        if change.kind == "event_type"
        for name, prop in change.content["properties"].items()
    }
    missing = {n: t for n, t in wanted.items() if n not in lake.columns(db, "usage_events")}
    if missing:

        def add(commit: Commit) -> None:
            for name, column_type in missing.items():
                commit.add_property_column(name, column_type)

        lake.commit(db, add, takes_number=False)


def recorded_versions(db: duckdb.DuckDBPyConnection) -> list[Version]:
    """Every recorded version of every document."""
    rows = db.execute(
        "select kind, doc_id, valid_from, content, content_sha256, batch_seq "
        "from facts.book_versions order by batch_seq, row_no"
    ).fetchall()
    return [
        Version(k, i, since, json.loads(c), digest, seq) for k, i, since, c, digest, seq in rows
    ]
