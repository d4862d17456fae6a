"""Load files of usage: each file is one input commit of events, refusals and its cursor.

A file's identity is the hash of its unpacked content: the same content again, whatever its name,
is passed over. Overlapping content is caught event by event.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from connectors.protocols import SourceFile, UsageSource
from meterhouse.dedupe import KeyIndex
from meterhouse.duck import identifier
from meterhouse.errors import UsageError
from meterhouse.failpoints import failpoint
from meterhouse.lake import RANKS, Commit, Lake, head_of
from meterhouse.lake_views import views
from meterhouse.run.book import flatten
from meterhouse.run.classification import classify, counts
from meterhouse.run.classified_actions import ACCEPTED
from meterhouse.run.deliveries import Book, Delivery, checked, deliveries, recorded_to
from meterhouse.run.sources import open_source
from meterhouse.run.validation import check
from meterhouse.schema import property_columns

EVENT = (
    *("source", "event_id", "event_type", "subject", "customer_id", "occurred_at", "event_day"),
    *("received_at", "data", "source_row", "source_row as row_no", "row_hash"),
)
OUTCOMES = ("accepted", "duplicate", "conflict", "quarantined")


@dataclass(frozen=True)
class Loaded:
    """What one batch did, in records; `batch_seq` is None where nothing was committed."""

    source: str
    name: str
    batch_seq: int | None
    received: int = 0
    released: int = 0
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    quarantined: int = 0
    refused: int = 0
    note: str = ""

    def as_dict(self) -> dict[str, str | int | None]:
        """The fields by name, for JSON."""
        return asdict(self)


def land(lake: Lake, name: str, files: list[Path]) -> None:
    """Copy files into the landing folder of a source; a name that is taken gets a suffix."""
    connector = lake.settings.source(name).connector
    if connector != "files":
        raise UsageError(
            f"Source {name!r} is read by connector {connector!r} and has no landing folder; "
            f"nothing was loaded. Load it with `meterhouse ingest --source {name}`, or name a "
            "source of files."
        )
    folder = lake.settings.landing(name)
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if not file.is_file():
            raise UsageError(f"File {file} is not there; nothing was loaded.")
        _copy_in(file, folder)


def _copy_in(file: Path, folder: Path) -> None:
    target = folder / file.name
    number = 1
    while target.exists():
        if target.read_bytes() == file.read_bytes():
            return
        number += 1
        target = folder / f"{number}-{file.name}"
    temporary = folder / f".{target.name}.part"
    shutil.copyfile(file, temporary)
    temporary.replace(target)


def ingest(
    lake: Lake, sources: list[str] | None = None, tell: Callable[[Loaded], None] | None = None
) -> list[Loaded]:
    """Load every file of the sources that was not loaded before, in order of name."""
    names = sources or sorted(lake.settings.file.sources)
    loaded: list[Loaded] = []
    for name in names:
        for result in _load_source(lake, name, open_source(lake.settings, name)):
            loaded.append(result)
            if tell is not None:
                tell(result)
    return loaded


def _load_source(lake: Lake, name: str, source: UsageSource) -> Iterator[Loaded]:
    known, cursors = _loaded_before(lake, name)
    for delivery in deliveries(lake, name, source, known, cursors):
        file, db = delivery.file, delivery.db
        if db is None:
            yield _passed_over(lake, name, file, known[file.content_sha256], cursors)
            continue
        lake.attach(db)
        earlier = db.execute(
            "select batch_seq from lake.facts.batches where source = ? and content_sha256 = ?",
            [name, file.content_sha256],
        ).fetchone()
        if earlier is not None:
            yield _passed_over(lake, name, file, int(earlier[0]), cursors)
            continue
        yield _load_delivery(lake, db, name, source, delivery, cursors)


def _loaded_before(lake: Lake, name: str) -> tuple[dict[str, int], list[str]]:
    """Content hash to batch of the files of a source, so that old files cost no session each; and
    its cursors, oldest first."""
    with lake.session() as db:
        rows = db.execute(
            "select content_sha256, batch_seq, cursor from lake.facts.batches "
            "where source = ? order by batch_seq",
            [name],
        ).fetchall()
    known = {digest: seq for digest, seq, _ in rows if digest is not None}
    return known, [cursor for _, _, cursor in rows if cursor is not None]


def _passed_over(
    lake: Lake, name: str, file: SourceFile, batch_seq: int, cursors: list[str]
) -> Loaded:
    """A delivery whose content is known; only a cursor that is new is committed."""
    note = f"already loaded as batch {batch_seq}"
    if file.cursor is None or file.cursor in cursors:
        return Loaded(name, file.name, None, note=note)
    with lake.session() as db:
        return Loaded(name, file.name, _commit_empty(lake, db, name, file, "repeat"), note=note)


def _load_delivery(
    lake: Lake,
    db: duckdb.DuckDBPyConnection,
    name: str,
    source: UsageSource,
    delivery: Delivery,
    cursors: list[str],
) -> Loaded:
    file = delivery.file
    if not delivery.records:
        note = "the file holds no records"
        return Loaded(name, file.name, _commit_empty(lake, db, name, file, "file"), note=note)
    with lake.write_lock.held():
        if recorded_to(db) != delivery.book_seq:  # The book changed since the file was checked.
            again = checked(lake, name, source, file, Book.of(lake))
            try:
                lake.attach(db := again.db or db)
                return _commit_checked(lake, db, name, file, cursors, again.records)
            finally:
                again.close()
        return _commit_checked(lake, db, name, file, cursors, delivery.records)


def _commit_empty(
    lake: Lake, db: duckdb.DuckDBPyConnection, name: str, file: SourceFile, kind: str
) -> int:
    def write(commit: Commit) -> int:
        _append_batch(commit, lake, name, kind, file, {})
        return commit.batch_seq

    return lake.commit(db, write)


def release(lake: Lake, db: duckdb.DuckDBPyConnection, source: str) -> Loaded:
    """Check table `mapped` of quarantined records again, and commit those that are good now."""
    with lake.write_lock.held():
        views(db, None)
        flatten(db)
        now = lake.settings.now()
        check(db, now, now + lake.settings.future_tolerance)
        db.execute("delete from checked where reason is not null")
        db.execute("create or replace temp table staged as from checked limit 0")
        good = db.execute("select count(*) from checked").fetchone()
        return _commit_checked(lake, db, source, None, [], int(good[0]) if good else 0)


def _commit_checked(
    lake: Lake,
    db: duckdb.DuckDBPyConnection,
    source: str,
    file: SourceFile | None,
    cursors: Sequence[str],
    records: int,
) -> Loaded:
    """Classify and commit `checked`, so many records of a file, or without one of a release.

    What brings nothing new, neither event nor cursor, commits nothing.
    """
    name = "quarantine" if file is None else file.name
    index = KeyIndex.of(lake, db)
    events = classify(db, source, lake.settings.source(source), index, head_of(db).batch_seq)
    failpoint("ingest.classified")
    found = counts(db)
    if file is None:  # What was to change an event that is still unknown goes on waiting.
        db.execute("delete from classified where outcome = 'quarantined'")
        records -= found.pop("quarantined", 0)
    if sum(found.values()) != records:
        raise AssertionError(f"{records} records became {sum(found.values())}; nothing was kept.")
    if file is None and not found:
        return Loaded(source, name, None)
    if file is not None and file.cursor in cursors and set(found) == {"duplicate"}:
        return Loaded(source, name, None, note="nothing new")

    def write(commit: Commit) -> int:
        _append_outcomes(commit, is_release=file is None)
        _append_batch(commit, lake, source, "release" if file is None else "file", file, found)
        return commit.batch_seq

    batch_seq = lake.commit(db, write)
    index.add(db, batch_seq, events.keys, events.days)
    total = sum(found.values())
    return Loaded(
        source,
        name,
        batch_seq,
        received=0 if file is None else total,
        released=total if file is None else 0,
        accepted=found.get("accepted", 0),
        duplicate=found.get("duplicate", 0),
        conflict=found.get("conflict", 0),
        quarantined=found.get("quarantined", 0),
    )


def _append_outcomes(commit: Commit, *, is_release: bool) -> None:
    """Write the classified rows: events, quarantined records and conflicts."""
    append_accepted(commit, unseen="unseen")
    if not is_release:
        commit.append(
            "rejected_events",
            "select *, 'quarantined' as status from classified where outcome = 'quarantined' "
            "order by source_row",
        )
    else:
        commit.append(
            "rejected_events",
            "select * exclude (original_seq, original_row), 'released' as status, "
            "original_seq, original_row from classified order by original_seq, original_row",
        )
    commit.append(
        "conflicts",
        "select * exclude (original_seq, original_row), 'open' as status "
        "from classified where outcome = 'conflict' order by source_row",
    )


def append_accepted(commit: Commit, unseen: str | None = None) -> int:
    """Append the accepted, restated and voided rows of table `classified`, and all of `unseen`.

    The number of a row is that of its record. Returns how many rows were appended.
    """
    columns = property_columns(commit.lake.columns(commit.db, "usage_events"))
    parts = [_judged_sql(commit, columns)]
    if unseen is not None:
        nothing = "cast(null as bigint)"
        parts.append(
            f"select {_event_columns(commit, columns, unseen)}, {nothing} as replaces_seq, "
            f"{nothing} as replaces_row from {unseen}"
        )
    commit.db.execute(
        f"create or replace temp view accepted as {' union all by name '.join(parts)}"
    )
    return commit.append_relation("usage_events", "accepted")


def _event_columns(commit: Commit, columns: dict[str, str], relation: str) -> str:
    given = {row[0] for row in commit.db.execute(f"describe {relation}").fetchall()}
    return ", ".join([*EVENT, *(identifier(name) for name in [*columns, *RANKS] if name in given)])


def _judged_sql(commit: Commit, columns: dict[str, str]) -> str:
    """Accepted rows; each that restates or voids names what it replaces, of this file or before."""
    seq = int(commit.batch_seq)
    return f"""
        select {_event_columns(commit, columns, "classified")},
            case when before_row is not null then {seq}
                when outcome <> 'accepted' then first_seq end as replaces_seq,
            case when before_row is not null then before_row
                when outcome <> 'accepted' then first_row end as replaces_row,
            case when outcome = 'voided' then 'void' end as action
        from (
            select *, lag(source_row) over (partition by source, event_id order by source_row)
                as before_row
            from classified where {ACCEPTED}
        )
        """


def _append_batch(
    commit: Commit,
    lake: Lake,
    source: str,
    kind: str,
    file: SourceFile | None,
    counts: dict[str, int],
) -> None:
    total = sum(counts.values())
    values = [
        source,
        kind,
        "quarantine" if file is None else file.name,
        # The content of a repeat is that of an earlier batch, which stays the one that is known.
        None if file is None or kind == "repeat" else file.content_sha256,
        None if file is None else file.cursor,
        0 if file is None else total,
        total if file is None else 0,
        *(counts.get(outcome, 0) for outcome in OUTCOMES),
        lake.settings.now(),
    ]
    commit.append(
        "batches",
        "select ? as source, ? as kind, ? as name, ? as content_sha256, ?::varchar as cursor, "
        "? as received, ? as released, ? as accepted, ? as duplicate, ? as conflict, "
        "? as quarantined, 0 as refused, ?::timestamptz as received_at",
        values,
    )
