"""Record the book: what a folder of documents would change, and the commit that records it."""

import json
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.catalog.given import Document, Reading
from meterhouse.catalog.known import read
from meterhouse.catalog.loading import read_folder
from meterhouse.catalog.plan import Change, Version, changes_to_record, plan, union
from meterhouse.catalog.references import check, check_partly
from meterhouse.catalog.resolving import settle
from meterhouse.errors import BookFault
from meterhouse.lake import Commit, Lake
from meterhouse.run.book_models import model_faults, unused_models
from meterhouse.run.metered_data import look
from meterhouse.schema import PROPERTY_PREFIX, property_type

VERSION_SCHEMA = {
    "kind": pl.String,
    "doc_id": pl.String,
    "valid_from": pl.Date,
    "content": pl.String,
    "content_sha256": pl.String,
}


class Planned(NamedTuple):
    """What `apply_book` would do to each document, and what is doubtful about it, in sentences."""

    changes: list[Change]
    warnings: list[str]


def plan_book(lake: Lake, given: Path | Reading | None = None) -> list[Change]:
    """Every document of the folder and of the record, with what `apply_book` would do to it."""
    return planned(lake, given, is_strict_only=True).changes


def planned(
    lake: Lake, given: Path | Reading | None = None, *, is_strict_only: bool = False
) -> Planned:
    """The changes, and the warnings that the recorded events give cause for unless
    `is_strict_only`; raises BookFault with all that `apply_book` refuses.

    `given` is a folder, else the home's own, or documents that were read from elsewhere.
    """
    reading = given if isinstance(given, Reading) else read_folder(given or lake.settings.book)
    with lake.reading() as db:
        recorded = recorded_versions(db)
        events = lake.columns(db, "usage_events")
    documents = _settled(reading, recorded)
    book = union(recorded, documents)
    faults = [*check(book, recorded), *model_faults(lake.settings, book, events)]
    if faults:
        raise BookFault(faults)
    changes = plan(recorded, documents)
    changed = {(one.kind, one.id, one.valid_from) for one in changes_to_record(changes)}
    with lake.reading() as db:
        told = look(db, read(book)[0], changed, is_strict_only=is_strict_only)
    if told.faults:
        raise BookFault(told.faults)
    unused = [] if is_strict_only else unused_models(lake.settings, book)
    return Planned(changes, [*told.warnings, *unused])


def _settled(reading: Reading, recorded: list[Version]) -> list[Document]:
    """The documents as they would be recorded; raises BookFault with all faults there are."""
    documents, faults = settle(reading, recorded)
    if not reading.faults and not faults:
        return documents
    headers = [*reading.headers, *(one.slot for one in recorded)]
    raise BookFault([*reading.faults, *faults, *check_partly(documents, headers)])


def apply_book(lake: Lake, given: Path | Reading | None = None) -> tuple[list[Change], int | None]:
    """Record the new and changed versions in one commit; its number, or None if none changed."""
    with lake.write_lock.held():
        changes = plan_book(lake, given)
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


def property_columns_of(changes: list[Change]) -> dict[str, str]:
    """Name and type of the column of every property of the event types among the changes."""
    return {
        PROPERTY_PREFIX + name: property_type(
            prop["type"], int(prop.get("decimals") or 0), int(prop.get("digits") or 18)
        )
        for change in changes
        if change.kind == "event_type"
        for name, prop in change.content["properties"].items()
    }


def _add_property_columns(lake: Lake, db: duckdb.DuckDBPyConnection, changes: list[Change]) -> None:
    """Typed columns come in a transaction of their own, before any data that fills them."""
    wanted = property_columns_of(changes)
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
