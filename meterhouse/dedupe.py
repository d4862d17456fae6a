"""The deduplication index: which event identities may have been seen, and on which event day.

Sorted runs of 64-bit keys beside the warehouse, one run for a span of batches, merged as they
grow. Derived: deleted or damaged, it is rebuilt from the lake. It only proposes; the full key in
the lake decides. It folds up to head before it answers, under the write lock.

A run file is its keys, their days and a CRC-32: a damaged key would let an event in twice. Files
are mapped or read in blocks, so that memory does not grow with the number of events.
"""

import shutil
import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from meterhouse.lake import Lake

# The 64-bit key of an identity. hash() may change with the version of DuckDB, so that the folder
# of an index names it; a stable hash took four times as long.
KEY = "hash(source || chr(31) || event_id)"
EPOCH = date(1970, 1, 1)
SEED = 1  # From 0, a file of nothing or of zeros after a power cut would look whole.
ENTRY = 12  # bytes of a key and its day
BLOCK = 1_000_000  # keys read at once
MOST_MERGED = 8_000_000  # keys; larger runs stay as they are, so that a merge is bounded
MOST_FOLDED = 4_000_000  # keys taken from the lake at once
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]

# Run files whose checksum this process has compared: path, size and time of change.
_verified: set[tuple[str, int, int]] = set()


class Run(NamedTuple):
    """Sorted keys and the event day of each, for batches in (after, upto]."""

    after: int
    upto: int
    keys: U64
    days: I32


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
        """Add every batch up to `head` that no run holds yet."""
        runs = self._runs()
        done = runs[-1].upto if runs else 0
        if done > head:  # Another, older lake was put in place: these runs are not its.
            shutil.rmtree(self._folder)
            runs, done = [], 0
        for upto in _spans(db, done, head):
            rows = db.execute(
                f"select {KEY} as key, event_day - date '1970-01-01' as day "
                "from lake.facts.usage_events where batch_seq > ? and batch_seq <= ? order by key",
                [done, upto],
            ).fetchnumpy()
            runs = self._save(runs, _run(done, upto, rows["key"], rows["day"]))
            done = upto
        self._folded = runs

    def add(self, upto: int, keys: U64, days: I32) -> None:
        """Fold one batch whose events the caller holds in memory, once it is committed."""
        if self._folded is None:
            raise AssertionError("The index takes a batch only after a fold: it may lack others.")
        order = np.argsort(keys, kind="stable")
        done = self._folded[-1].upto if self._folded else 0
        self._folded = self._save(self._folded, _run(done, upto, keys[order], days[order]))

    def days_of(self, keys: U64) -> tuple[U64, list[date]]:
        """The keys that may have been seen, and the event days on which to look for them."""
        if self._folded is None:
            raise AssertionError("The index answers only after a fold: it may lack batches.")
        asked = np.unique(keys) if np.any(keys[1:] < keys[:-1]) else keys
        hits: list[U64] = []
        days: set[int] = set()
        for run in self._folded:
            for block in _blocks(run, asked):
                found, on = _found(block, asked)
                hits.append(found)
                days.update(on)
        seen = np.unique(np.concatenate(hits)) if hits else np.empty(0, dtype=np.uint64)
        return seen, sorted(EPOCH + timedelta(days=int(day)) for day in days)

    def _save(self, runs: list[Run], new: Run) -> list[Run]:
        # Merging a neighbour that is not much larger keeps the number of runs logarithmic.
        replaced = []
        while runs and _should_merge(runs[-1], new):
            old = runs.pop()
            keys = np.concatenate([old.keys, new.keys])
            order = np.argsort(keys, kind="stable")
            days = np.concatenate([old.days, new.days])
            new = Run(old.after, new.upto, keys[order], days[order])
            replaced.append(old)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(new.after, new.upto)
        temporary = path.with_suffix(".tmp")
        checksum = zlib.crc32(new.days.data, zlib.crc32(new.keys.data, SEED))
        with temporary.open("wb") as file:
            file.write(new.keys.data)
            file.write(new.days.data)
            file.write(checksum.to_bytes(4, "little"))
        temporary.replace(path)
        for old in replaced:
            self._path(old.after, old.upto).unlink(missing_ok=True)
        return [*runs, new]

    def _path(self, after: int, upto: int) -> Path:
        return self._folder / f"{after:010d}-{upto:010d}.keys"

    def _runs(self) -> list[Run]:
        """The longest chain of runs from batch 0; files a kill left inside a merged span are not
        in the chain, because the widest run from each start is taken. One damaged run and all are
        deleted: the next fold makes them anew."""
        spans: dict[int, int] = {}
        for path in self._folder.glob("*.keys"):
            after, upto = (int(part) for part in path.stem.split("-"))
            spans[after] = max(upto, spans.get(after, 0))
        runs: list[Run] = []
        at = 0
        while at in spans:
            run = _load(self._path(at, spans[at]), at, spans[at])
            if run is None:
                shutil.rmtree(self._folder)
                return []
            runs.append(run)
            at = spans[at]
        return runs


def _run(after: int, upto: int, keys: npt.NDArray[np.generic], days: npt.ArrayLike) -> Run:
    return Run(after, upto, keys.astype(np.uint64), np.asarray(days, dtype=np.int32))


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


def _should_merge(old: Run, new: Run) -> bool:
    small = len(old.keys) + len(new.keys) <= MOST_MERGED
    return len(old.keys) <= 2 * len(new.keys) and (small or not len(new.keys))


def _blocks(run: Run, asked: U64) -> Iterator[Run]:
    """The run as it is searched: mapped, or where most of it is touched anyway, block by block."""
    if len(asked) * 256 < len(run.keys):
        yield run
        return
    for start in range(0, len(run.keys), BLOCK):
        part = slice(start, start + BLOCK)
        yield run._replace(keys=np.array(run.keys[part]), days=np.array(run.days[part]))


def _found(run: Run, asked: U64) -> tuple[U64, set[int]]:
    """Which of the sorted keys stand in the run, and on which days."""
    left = np.searchsorted(run.keys, asked, side="left")
    right = np.searchsorted(run.keys, asked, side="right")
    found = right > left
    days: set[int] = set()
    # A key may stand on several days (restated events); stretches of equal keys are short.
    for offset in range(int((right - left).max(initial=0))):
        days.update(np.unique(run.days[left[right > left + offset] + offset]).tolist())
    return asked[found], days


def _load(path: Path, after: int, upto: int) -> Run | None:
    """A run, or None if its bytes are not those that were written."""
    status = path.stat()
    count, rest = divmod(status.st_size - 4, ENTRY)
    mark = (str(path), status.st_size, status.st_mtime_ns)
    if rest or count < 0 or (mark not in _verified and not _is_whole(path, status.st_size - 4)):
        return None
    _verified.add(mark)
    if not count:
        return Run(after, upto, np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int32))
    keys = np.memmap(path, dtype=np.uint64, mode="r", shape=(count,))
    days = np.memmap(path, dtype=np.int32, mode="r", offset=8 * count, shape=(count,))
    return Run(after, upto, keys, days)


def _is_whole(path: Path, length: int) -> bool:
    checksum = SEED
    with path.open("rb") as file:
        left = length
        while left and (piece := file.read(min(left, BLOCK))):
            checksum = zlib.crc32(piece, checksum)
            left -= len(piece)
        return not left and checksum == int.from_bytes(file.read(), "little")
