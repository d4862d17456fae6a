"""The deduplication index: which event identities may have been seen, and on which event day.

Sorted runs of 64-bit keys beside the warehouse, one run for a span of batches. Derived: deleted or
damaged, it is rebuilt from the lake. It only proposes; the full key in the lake decides. It folds
up to head before it answers, under the write lock.

Each run carries the mark of the commit it ends at. A restored backup that went on otherwise has
another commit there, and the run is made anew: it never answers for batches it has not read.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np

from meterhouse import sorted_runs
from meterhouse.duck import literal
from meterhouse.lake import Lake
from meterhouse.sorted_runs import I32, U64, Mark, Run

# The 64-bit key of an identity. hash() may change with the version of DuckDB, so that the folder
# of an index names it; a stable hash took four times as long.
KEY = "hash(source || chr(31) || event_id)"
EPOCH = date(1970, 1, 1)
MOST_FOLDED = 4_000_000  # keys taken from the lake at once
# The instant of a snapshot, in microseconds, and the newest file it holds: our file names carry
# their batch and a hash of their content. By primary keys in the catalog (SQLite) itself: 1 ms
# whatever the length of the history, where reading facts.files took 1 ms for every thousand.
COMMITS = """
select snapshot_id, snapshot_time || ' ' || coalesce((
    select path from ducklake_data_file where data_file_id < next_file_id
    order by data_file_id desc limit 1
), '') as content
from ducklake_snapshot
"""


class KeyIndex:
    """The runs of one lake."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folded: list[Run] | None = None

    @classmethod
    def of(cls, lake: Lake, db: duckdb.DuckDBPyConnection) -> "KeyIndex":
        """The index of a lake, kept apart by the identity its table of events was made with and
        by the version of DuckDB that hashes the keys."""
        born = db.execute(
            "select table_uuid from ducklake_table_info('lake') where table_name = 'usage_events'"
        ).fetchone()
        name = f"lake-{born[0] if born else 'new'}-duckdb-{duckdb.__version__}"
        for other in lake.settings.keys.glob("lake-*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)
        return cls(lake.settings.keys / name)

    def fold(self, db: duckdb.DuckDBPyConnection, head: int) -> None:
        """Add every batch up to `head` that no run of this very history holds yet."""
        runs = self._standing(db, head)
        done = runs[-1].upto if runs else 0
        for upto in _spans(db, done, head):
            rows = db.execute(
                f"select {KEY} as key, event_day - date '1970-01-01' as day "
                "from lake.facts.usage_events where batch_seq > ? and batch_seq <= ? order by key",
                [done, upto],
            ).fetchnumpy()
            run = sorted_runs.unsorted_run(done, upto, rows["key"], rows["day"], _newest(db))
            runs = sorted_runs.save(self._folder, runs, run)
            done = upto
        self._folded = runs

    def add(self, db: duckdb.DuckDBPyConnection, upto: int, keys: U64, days: I32) -> None:
        """Fold one batch whose events the caller holds in memory, once it is committed."""
        if self._folded is None:
            raise AssertionError("The index takes a batch only after a fold: it may lack others.")
        done = self._folded[-1].upto if self._folded else 0
        run = sorted_runs.unsorted_run(done, upto, keys, days, _newest(db))
        self._folded = sorted_runs.save(self._folder, self._folded, run)

    def days_of(self, keys: U64) -> tuple[U64, list[date]]:
        """The keys that may have been seen, and the event days on which to look for them."""
        if self._folded is None:
            raise AssertionError("The index answers only after a fold: it may lack batches.")
        asked = np.unique(keys) if np.any(keys[1:] < keys[:-1]) else keys
        hits: list[U64] = []
        days: set[int] = set()
        for run in self._folded:
            for hit, on in sorted_runs.found(run, asked):
                hits.append(hit)
                days.update(on)
        seen = np.unique(np.concatenate(hits)) if hits else np.empty(0, dtype=np.uint64)
        return seen, sorted(EPOCH + timedelta(days=int(day)) for day in days)

    def _standing(self, db: duckdb.DuckDBPyConnection, head: int) -> list[Run]:
        """The chain of runs up to the first that is damaged, or that another history made; all
        other files are deleted."""
        loaded = [sorted_runs.load(self._folder, *span) for span in sorted_runs.spans(self._folder)]
        commits = _commits(db, [run.mark.snapshot for run in loaded if run is not None])
        runs: list[Run] = []
        for run in loaded:
            if run is None or run.upto > head or run.mark not in commits:
                break
            runs.append(run)
        sorted_runs.remove_others(self._folder, runs)
        return runs


def _newest(db: duckdb.DuckDBPyConnection) -> Mark:
    """The last commit, under the write lock: what is folded now stands in the lake up to it."""
    [mark] = _marks(db, "order by snapshot_id desc limit 1")
    return mark


def _commits(db: duckdb.DuckDBPyConnection, snapshots: Iterable[int]) -> set[Mark]:
    """The commits that this lake has under these numbers."""
    listed = ", ".join(str(int(snapshot)) for snapshot in snapshots)
    return set(_marks(db, f"where snapshot_id in ({listed})")) if listed else set()


def _marks(db: duckdb.DuckDBPyConnection, which: str) -> Iterator[Mark]:
    rows = db.execute(
        f"from sqlite_query('__ducklake_metadata_lake', {literal(COMMITS + which)})"
    ).fetchall()
    for snapshot, content in rows:
        yield Mark(int(snapshot), hashlib.sha256(content.encode()).digest())


def _spans(db: duckdb.DuckDBPyConnection, done: int, head: int) -> Iterator[int]:
    """The ends of the spans in which batches (done, head] are folded, each of bounded size."""
    if done == head:
        return
    counts = db.execute(
        "select batch_seq, count(*) from lake.facts.usage_events "
        "where batch_seq > ? and batch_seq <= ? group by batch_seq order by batch_seq",
        [done, head],
    ).fetchall()
    waiting = 0
    for batch_seq, count in counts:
        if waiting and waiting + count > MOST_FOLDED:
            yield batch_seq - 1
            waiting = 0
        waiting += count
    yield head
