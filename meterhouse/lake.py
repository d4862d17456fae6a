"""The one door to the facts: a DuckLake of immutable Parquet files that we write ourselves.

A commit takes the write lock, opens one catalog transaction, takes its number, writes each
Parquet file under a temporary name, fsyncs it, hashes it, renames it to a name that holds its
number and hash, registers it and commits. Killed anywhere, it leaves at most files that nothing
names; the same commit run again writes the same names.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import duckdb

from meterhouse.duck import connect, identifier, literal
from meterhouse.durable import file_sha256, fsync, make_folder
from meterhouse.errors import Busy, Corrupt, UsageError
from meterhouse.failpoints import failpoint
from meterhouse.lake_files import differing, remove_orphans
from meterhouse.lake_heads import once_per_snapshot
from meterhouse.lake_planning import left_out, plan_by_size
from meterhouse.lake_tables import (
    add_missing,
    create_tables,
    group_rows,
    has_counters,
    is_complete,
)
from meterhouse.lake_views import views
from meterhouse.locks import FileLock
from meterhouse.settings import Settings

T = TypeVar("T")

# Columns that rows may bring along: they sort as customer_id and event_type do, and cost less.
RANKS = ("customer_rank", "type_rank")
TEMPORARY = ".tmp-"
ATTEMPTS = 5
# Catalogs that have all this release reads.
_complete: set[Path] = set()


class Pin(NamedTuple):
    """What a reader may see: the last input commit and the catalog snapshot that holds it."""

    batch_seq: int
    snapshot: int


@dataclass
class Commit:
    """One open transaction; `batch_seq` is its number, or the last number if it takes none."""

    lake: "Lake"
    db: duckdb.DuckDBPyConnection
    batch_seq: int
    written: dict[str, int] = field(default_factory=dict)

    def append(self, table: str, select: str, parameters: Sequence[Any] = ()) -> int:
        """Append the rows of a SELECT to `facts.<table>`; returns their number.

        The SELECT gives the table's columns by name, in any order, without `batch_seq`, `row_no`
        and `row_hash` (given ones of the last two are kept); missing ones become null.
        """
        staged = f"staged_{table}"
        self.db.execute(
            f"create or replace temp table {staged} as select * from ({select})", parameters
        )
        if table == "usage_events" and "row_no" not in self._given(staged):
            self.db.execute(
                f"create or replace temp table {staged} as "
                f"select *, row_number() over () as row_no from {staged}"
            )
        rows = self.append_relation(table, staged)
        self.db.execute(f"drop table {staged}")
        return rows

    def append_relation(self, table: str, relation: str) -> int:
        """Append the rows of a temp table or view; returns their number.

        Without `row_no`, which events must have, they are numbered as they stand.
        """
        rows = 0
        wanted, order = self._wanted(table, relation), self._order(table, relation)
        for day, count in self._partitions(table, relation):
            where = "" if day is None else f"where event_day = date {literal(day)}"
            self._write(table, day, f"select {wanted} from {relation} {where} {order}")
            rows += count
        self.written[table] = self.written.get(table, 0) + rows
        return rows

    def next_number(self, counter: str, count: int = 1) -> int:
        """Take `count` numbers of a series; returns the first. Gapless: they roll back with us."""
        current = self.db.execute(
            "select value from lake.control.counters where name = ?", [counter]
        ).fetchone()
        first = (int(current[0]) if current else 0) + 1
        if current is None:
            self.db.execute(
                "insert into lake.control.counters values (?, ?)", [counter, first + count - 1]
            )
        else:
            self.db.execute(
                "update lake.control.counters set value = ? where name = ?",
                [first + count - 1, counter],
            )
        return first

    def add_property_column(self, name: str, column_type: str) -> None:
        """Add a typed property column to the usage events, if it is not there."""
        if name not in self.lake.columns(self.db, "usage_events"):
            self.db.execute(
                f"alter table lake.facts.usage_events add column {identifier(name)} {column_type}"
            )

    def _given(self, relation: str) -> set[str]:
        return {row[0] for row in self.db.execute(f"describe {relation}").fetchall()}

    def _partitions(self, table: str, relation: str) -> list[tuple[str | None, int]]:
        """Each day that has rows, or None for a table without days, with the number of rows."""
        if table != "usage_events":
            counted = self.db.execute(f"select count(*) from {relation}").fetchone()
            return [(None, int(counted[0]))] if counted and counted[0] else []
        days = self.db.execute(
            f"select event_day, count(*) from {relation} group by event_day order by event_day"
        ).fetchall()
        return [(day.isoformat(), int(count)) for day, count in days]

    def _wanted(self, table: str, relation: str) -> str:
        """The columns of the table, each cast to its type, as a SELECT list over the relation."""
        given = self._given(relation)
        wanted = []
        for name, column_type in self.lake.columns(self.db, table).items():
            if name == "batch_seq":
                source = str(int(self.batch_seq))
            elif name == "row_no" and name not in given:
                source = "row_number() over ()"  # In one stream: nothing is sorted or kept.
            elif name == "row_hash" and name not in given:
                # A document's content, by far its longest column, has a hash of its own.
                hashed = given - {"content"} if "content_hash" in given else given
                # So has a rendered file.
                hashed = hashed - {"data"} if table == "renderings" else hashed
                source = _row_hash(sorted(hashed))
            else:
                source = identifier(name) if name in given else "null"
            wanted.append(f"cast({source} as {column_type}) as {identifier(name)}")
        return ", ".join(wanted)

    def _order(self, table: str, relation: str) -> str:
        given = self._given(relation)
        if table != "usage_events":
            # Sorting 100,000 documents by a number they are in the order of took all memory.
            return "order by row_no" if "row_no" in given else ""
        by = RANKS if set(RANKS) <= given else ("customer_id", "event_type")
        return "order by " + ", ".join([*by, "occurred_at", "row_no"])

    def _write(self, table: str, day: str | None, select: str) -> None:
        folder = self.lake.settings.data / "facts" / table
        if day is not None:
            folder = folder / f"event_day={day}"
        make_folder(folder, self.lake.settings.data)
        number = self.written.get(table, 0)
        temporary = folder / f"{TEMPORARY}{self.batch_seq:010d}-{number}-{uuid.uuid4().hex[:8]}"
        rows = self._copy(table, select, temporary)
        failpoint("commit.write")
        fsync(temporary)
        failpoint("commit.fsync")
        digest = file_sha256(temporary)
        failpoint("commit.hash")
        final = folder / f"{self.batch_seq:010d}-{digest[:16]}.parquet"
        os.replace(temporary, final)
        fsync(folder)
        failpoint("commit.rename")
        self._register(table, final, digest, rows)
        failpoint("commit.register")

    def _copy(self, table: str, select: str, target: Path) -> int:
        groups = f", row_group_size {size}" if (size := group_rows(table)) else ""
        copied = self.db.execute(
            f"copy ({select}) to {literal(str(target))} "
            f"(format parquet, compression zstd, compression_level 1{groups})"
        ).fetchone()
        return int(copied[0]) if copied else 0

    def _register(self, table: str, path: Path, digest: str, rows: int) -> None:
        relative = path.relative_to(self.lake.settings.data).as_posix()
        self.db.execute(
            "call ducklake_add_data_files('lake', ?, ?, schema => 'facts', "
            "hive_partitioning => true)",
            [table, str(path)],
        )
        self.db.execute(
            "insert into lake.facts.files values (?, ?, ?, ?, ?, ?, ?, ?)",
            [table, relative, digest, rows, path.stat().st_size, self.batch_seq, 1, digest],
        )


class Lake:
    """The facts of one home."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.write_lock = FileLock(
            settings.home / "locks" / "write.lock", "write", settings.lock_wait_seconds
        )
        self.run_lock = FileLock(
            settings.home / "locks" / "run.lock", "run", settings.lock_wait_seconds
        )

    def create(self) -> bool:
        """Make the catalog and its tables; False if they were there already."""
        with self.write_lock.held():
            self.settings.catalog.parent.mkdir(parents=True, exist_ok=True)
            make_folder(self.settings.data, self.settings.home)
            with connect(self.settings) as db:
                self._attach(db)
                if has_counters(db):
                    add_missing(db)
                    return False
                create_tables(db)
        return True

    @contextmanager
    def session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that may commit; temp tables staged on it can be appended."""
        with connect(self.settings) as db:
            self.attach(db)
            yield db

    def attach(self, db: duckdb.DuckDBPyConnection) -> None:
        """Attach the facts as `lake` to a connection, which may commit from then on."""
        self._attach(db)
        plan_by_size(db)

    @contextmanager
    def reading(self, known_at: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection whose `facts.*` views end at `known_at` (default: all)."""
        with connect(self.settings) as db:
            self.attach_pinned(db, self.head())
            views(db, known_at)
            yield db

    def head(self) -> Pin:
        """The newest input commit and snapshot."""
        with connect(self.settings) as db:
            self._attach(db, "read_only")
            return once_per_snapshot(db, self.settings.catalog, head_of)

    def attach_pinned(self, db: duckdb.DuckDBPyConnection, pin: Pin) -> None:
        """Attach the facts as `lake`, read-only, as they were at the pin."""
        self._attach(db, f"read_only, snapshot_version {int(pin.snapshot)}")
        plan_by_size(db)

    def attach_options(self, pin: Pin) -> dict[str, str]:
        """The same attachment in words, for the dbt profile."""
        with connect(self.settings) as db:
            self._attach(db, "read_only")
            planned = left_out(db)
        return {
            "METERHOUSE_LEFT_OUT": planned,
            "METERHOUSE_LAKE": f"ducklake:sqlite:{self.settings.catalog}",
            "METERHOUSE_LAKE_DATA": f"{self.settings.data}/",
            "METERHOUSE_LAKE_SNAPSHOT": str(pin.snapshot),
        }

    def commit(
        self,
        db: duckdb.DuckDBPyConnection,
        write: Callable[[Commit], T],
        *,
        takes_number: bool = True,
    ) -> T:
        """Run `write` in one transaction; a loser of a conflict takes new numbers and repeats."""
        with self.write_lock.held():
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return self._commit_once(db, write, takes_number)
                except duckdb.TransactionException as error:
                    _roll_back(db)  # A commit that failed has ended its transaction itself.
                    if attempt == ATTEMPTS:
                        raise Busy("catalog", attempt, "other writers") from error
                    time.sleep(0.05 * attempt)
                except BaseException:
                    _roll_back(db)
                    raise
        raise AssertionError("unreachable")

    def _commit_once(
        self, db: duckdb.DuckDBPyConnection, write: Callable[[Commit], T], takes_number: bool
    ) -> T:
        failpoint("commit.begin")
        db.execute("begin")
        commit = Commit(self, db, 0)
        if takes_number:
            commit.batch_seq = commit.next_number("batch_seq")
        else:
            commit.batch_seq = head_of(db).batch_seq
        failpoint("commit.counter")
        result = write(commit)
        failpoint("commit.cursor")
        failpoint("commit.before")
        db.execute("commit")
        failpoint("commit.after")
        return result

    def columns(self, db: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
        """Name to type of a facts table, property columns included."""
        rows = db.execute(
            "select column_name, data_type from duckdb_columns() where database_name = 'lake' "
            "and schema_name = 'facts' and table_name = ? order by column_index",
            [table],
        ).fetchall()
        return dict(rows)

    def verify(
        self,
        db: duckdb.DuckDBPyConnection,
        tables: Sequence[str],
        since: int = 0,
        days: tuple[date, date] | None = None,
    ) -> list[Corrupt]:
        """Compare every registered file of `tables` above batch `since` with its SHA-256; with
        `days` also older ones of those event days, both included."""
        first, last = days or (date.max, date.min)
        rows = db.execute(
            "select path, sha256 from lake.facts.files where list_contains(?, table_name) "
            "and (batch_seq > ? or try_cast(regexp_extract(path, 'event_day=([0-9-]+)', 1) "
            "as date) between ? and ?) order by path",
            [list(tables), since, first, last],
        ).fetchall()
        return differing(self.settings.data, rows)

    def sweep(self, age_hours: int | None = None) -> list[str]:
        """Delete files older than the age that no commit registered; returns their paths."""
        hours = self.settings.file.orphan_age_hours if age_hours is None else age_hours
        with self.write_lock.held(), connect(self.settings) as db:
            self._attach(db, "read_only")
            known = {r[0] for r in db.execute("select path from lake.facts.files").fetchall()}
        return remove_orphans(self.settings.data, known, hours)

    def _attach(self, db: duckdb.DuckDBPyConnection, options: str = "") -> None:
        if "read_only" in options and not self.settings.catalog.is_file():
            raise UsageError(
                f"The lake of {self.settings.home} is not there: {self.settings.catalog} is "
                "missing. Run `meterhouse init` to make an empty one."
            )
        extra = f", {options}" if options else ", data_inlining_row_limit 0"
        db.execute(
            f"attach {literal(f'ducklake:sqlite:{self.settings.catalog}')} as lake "
            f"(data_path {literal(f'{self.settings.data}/')}, override_data_path true, "
            f"meta_journal_mode 'WAL', meta_busy_timeout 10000{extra})"
        )
        if "snapshot_version" not in options:
            self._complete(db)

    def _complete(self, db: duckdb.DuckDBPyConnection) -> None:
        """Give a lake of an earlier release what it lacks; looked for once in a process."""
        if self.settings.catalog in _complete or not has_counters(db):
            return
        if not is_complete(db):
            with self.write_lock.held(), connect(self.settings) as writer:
                _complete.add(self.settings.catalog)
                self._attach(writer)
                add_missing(writer)
        _complete.add(self.settings.catalog)


def _row_hash(columns: Sequence[str]) -> str:
    """SHA-256 over the texts of a row's columns, in the order of their names; a null is not ''."""
    texts = (f"coalesce(cast({identifier(name)} as varchar), chr(30))" for name in columns)
    return f"sha256(concat_ws(chr(31), {', '.join(texts)}))"


def head_of(db: duckdb.DuckDBPyConnection) -> Pin:
    """The newest input commit and snapshot, as an attached connection sees them."""
    row = db.execute(
        "select (select value from lake.control.counters where name = 'batch_seq'), "
        "(from ducklake_current_snapshot('lake'))"
    ).fetchone()
    if row is None or row[0] is None:
        raise UsageError("The lake has no counters; run `meterhouse init`.")
    return Pin(int(row[0]), int(row[1]))


def _roll_back(db: duckdb.DuckDBPyConnection) -> None:
    try:
        db.execute("rollback")
    except duckdb.Error:
        return  # There was no transaction left to end.
