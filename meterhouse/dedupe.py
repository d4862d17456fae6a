"""The deduplication index: which event identities may have been seen, and on which event day.

Sorted runs of 64-bit keys beside the warehouse, one run for a span of batches, merged as they
grow. Derived: deleted or damaged, it is rebuilt from the lake. It only proposes; the full key in
the lake decides. It folds up to head before it answers, under the write lock.

A run file is its keys, their days and a CRC-32: a damaged key would let an event in twice.
"""

import shutil
import zlib
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from meterhouse.lake import Lake

# The 64-bit key of an identity: stable over DuckDB versions, which hash() is not.
KEY = "md5_number_lower(source || chr(31) || event_id)"
EPOCH = date(1970, 1, 1)
SEED = 1  # From 0, a file of nothing or of zeros after a power cut would look whole.
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]


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
        """The index of a lake, kept apart by the identity its table of events was made with."""
        born = db.execute(
            "select table_uuid from ducklake_table_info('lake') where table_name = 'usage_events'"
        ).fetchone()
        return cls(lake.settings.keys / f"lake-{born[0] if born else 'new'}")

    def fold(self, db: duckdb.DuckDBPyConnection, head: int) -> None:
        """Add every batch up to `head` that no run holds yet."""
        runs = self._runs()
        done = runs[-1].upto if runs else 0
        if done > head:  # Another, older lake was put in place: these runs are not its.
            shutil.rmtree(self._folder)
            runs, done = [], 0
        if done == head:
            self._folded = runs
            return
        rows = db.execute(
            f"select {KEY} as key, event_day - date '1970-01-01' as day "
            "from lake.facts.usage_events where batch_seq > ? and batch_seq <= ? order by key",
            [done, head],
        ).fetchnumpy()
        new = Run(done, head, rows["key"].astype(np.uint64), rows["day"].astype(np.int32))
        self._folded = self._save(runs, new)

    def days_of(self, keys: U64) -> tuple[U64, list[date]]:
        """The keys that may have been seen, and the event days on which to look for them."""
        if self._folded is None:
            raise AssertionError("The index answers only after a fold: it may lack batches.")
        hits: list[U64] = []
        days: set[int] = set()
        for run in self._folded:
            left = np.searchsorted(run.keys, keys, side="left")
            right = np.searchsorted(run.keys, keys, side="right")
            found = right > left
            hits.append(keys[found])
            # A key may stand on several days (restated events); runs of equal keys are short.
            for offset in range(int((right - left).max(initial=0))):
                at = left[right > left + offset] + offset
                days.update(np.unique(run.days[at]).tolist())
        seen = np.unique(np.concatenate(hits)) if hits else np.empty(0, dtype=np.uint64)
        return seen, sorted(EPOCH + timedelta(days=int(day)) for day in days)

    def _save(self, runs: list[Run], new: Run) -> list[Run]:
        # Merging a neighbour that is not much larger keeps the number of runs logarithmic.
        replaced = []
        while runs and len(runs[-1].keys) <= 2 * len(new.keys):
            old = runs.pop()
            keys = np.concatenate([old.keys, new.keys])
            order = np.argsort(keys, kind="stable")
            days = np.concatenate([old.days, new.days])
            new = Run(old.after, new.upto, keys[order], days[order])
            replaced.append(old)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(new.after, new.upto)
        temporary = path.with_suffix(".tmp")
        keys_bytes, days_bytes = new.keys.tobytes(), new.days.tobytes()
        checksum = zlib.crc32(days_bytes, zlib.crc32(keys_bytes, SEED))
        temporary.write_bytes(keys_bytes + days_bytes + checksum.to_bytes(4, "little"))
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
            run = self._load(at, spans[at])
            if run is None:
                shutil.rmtree(self._folder)
                return []
            runs.append(run)
            at = spans[at]
        return runs

    def _load(self, after: int, upto: int) -> Run | None:
        """A run, or None if its bytes are not those that were written."""
        content = memoryview(self._path(after, upto).read_bytes())
        body, checksum = content[:-4], int.from_bytes(content[-4:], "little")
        if zlib.crc32(body, SEED) != checksum or len(body) % 12:
            return None
        count = len(body) // 12
        keys = np.frombuffer(body, dtype=np.uint64, count=count)
        return Run(after, upto, keys, np.frombuffer(body, dtype=np.int32, offset=8 * count))
