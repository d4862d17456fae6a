"""Run files: sorted 64-bit keys with a day each, for a span of batches, merged as they grow.

A file is its keys, its days, the mark of the commit it ends at and a CRC-32: a damaged key would
let an event in twice. Files are mapped or read in blocks: memory is that of one merge, however
many keys there are.
"""

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

SEED = 1  # From 0, a file of nothing or of zeros after a power cut would look whole.
ENTRY = 12  # bytes of a key and its day
BLOCK = 1_000_000  # keys read at once
MOST_MERGED = 8_000_000  # keys; larger runs stay as they are, so that a merge is bounded
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]


class State(NamedTuple):
    """Which content of a file was seen: its time of change is in nanoseconds."""

    path: str
    size: int
    changed: int


# Run files that this process wrote, or whose checksum it has compared.
_verified: set[State] = set()


class Mark(NamedTuple):
    """A commit of a lake: the number of its snapshot, and a digest no other history has there."""

    snapshot: int
    digest: bytes


TAIL = 8 + 32 + 4  # bytes of the mark and the checksum


class Run(NamedTuple):
    """Sorted keys and the event day of each, for batches in (after, upto], as of the mark."""

    after: int
    upto: int
    keys: U64
    days: I32
    mark: Mark


def unsorted_run(
    after: int, upto: int, keys: npt.NDArray[np.generic], days: npt.ArrayLike, mark: Mark
) -> Run:
    """A run of keys in any order."""
    numbers, ordinals = keys.astype(np.uint64), np.asarray(days, dtype=np.int32)
    order = np.argsort(numbers, kind="stable")
    return Run(after, upto, numbers[order], ordinals[order], mark)


def path_of(folder: Path, after: int, upto: int) -> Path:
    """Where the run of a span lies."""
    return folder / f"{after:010d}-{upto:010d}.keys"


def spans(folder: Path) -> Iterator[tuple[int, int]]:
    """The chain of spans from batch 0, the widest from each start: files that a kill left inside
    a merged span are not in it."""
    widest: dict[int, int] = {}
    for path in folder.glob("*.keys"):
        after, upto = (int(part) for part in path.stem.split("-"))
        widest[after] = max(upto, widest.get(after, 0))
    at = 0
    while at in widest:
        yield at, widest[at]
        at = widest[at]


def remove_others(folder: Path, runs: Iterable[Run]) -> None:
    """Delete every file that is not one of these runs."""
    kept = {path_of(folder, run.after, run.upto) for run in runs}
    for path in folder.glob("*"):
        if path not in kept:
            path.unlink()


def save(folder: Path, runs: list[Run], new: Run) -> list[Run]:
    """Write one more run; returns all. Merging a neighbour that is not much larger keeps their
    number logarithmic."""
    kept, replaced = list(runs), []
    while kept and _should_merge(kept[-1], new):
        old = kept.pop()
        keys, days = np.concatenate([old.keys, new.keys]), np.concatenate([old.days, new.days])
        new = unsorted_run(old.after, new.upto, keys, days, new.mark)
        replaced.append(old)
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder, new.after, new.upto)
    temporary = path.with_suffix(".tmp")
    mark = new.mark.snapshot.to_bytes(8, "little") + new.mark.digest
    checksum = SEED
    with temporary.open("wb") as file:
        for part in (new.keys.data, new.days.data, mark):
            file.write(part)
            checksum = zlib.crc32(part, checksum)
        file.write(checksum.to_bytes(4, "little"))
    temporary.replace(path)
    for old in replaced:
        path_of(folder, old.after, old.upto).unlink(missing_ok=True)
    _verified.add(_state(path))
    return [*kept, _mapped(path, new.after, new.upto, len(new.keys), new.mark)]


def _should_merge(old: Run, new: Run) -> bool:
    small = len(old.keys) + len(new.keys) <= MOST_MERGED
    return len(old.keys) <= 2 * len(new.keys) and (small or not len(new.keys))


def load(folder: Path, after: int, upto: int) -> Run | None:
    """A run, or None if its bytes are not those that were written."""
    path = path_of(folder, after, upto)
    state = _state(path)
    count, rest = divmod(state.size - TAIL, ENTRY)
    if rest or count < 0 or (state not in _verified and not _is_whole(path, state.size - 4)):
        return None
    _verified.add(state)
    with path.open("rb") as file:
        file.seek(ENTRY * count)
        mark = Mark(int.from_bytes(file.read(8), "little"), file.read(32))
    return _mapped(path, after, upto, count, mark)


def _state(path: Path) -> State:
    status = path.stat()
    return State(str(path), status.st_size, status.st_mtime_ns)


def _mapped(path: Path, after: int, upto: int, count: int, mark: Mark) -> Run:
    if not count:  # Nothing cannot be mapped.
        nothing = np.empty(0, dtype=np.uint64)
        return Run(after, upto, nothing, np.empty(0, dtype=np.int32), mark)
    keys = np.memmap(path, dtype=np.uint64, mode="r", shape=(count,))
    days = np.memmap(path, dtype=np.int32, mode="r", offset=8 * count, shape=(count,))
    return Run(after, upto, keys, days, mark)


def _is_whole(path: Path, length: int) -> bool:
    checksum = SEED
    with path.open("rb") as file:
        left = length
        while left and (piece := file.read(min(left, BLOCK))):
            checksum = zlib.crc32(piece, checksum)
            left -= len(piece)
        return not left and checksum == int.from_bytes(file.read(), "little")


def found(run: Run, asked: U64) -> Iterator[tuple[U64, set[int]]]:
    """Which of the sorted keys stand in the run, and on which days; a part at a time."""
    for part in _blocks(run, asked):
        if not len(part.keys):
            continue
        low = np.searchsorted(asked, part.keys[:1], side="left")[0]
        high = np.searchsorted(asked, part.keys[-1:], side="right")[0]
        near = asked[low:high]
        left = np.searchsorted(part.keys, near, side="left")
        is_hit = part.keys[left] == near
        hits, left = near[is_hit], left[is_hit]
        right = np.searchsorted(part.keys, hits, side="right")
        days: set[int] = set()
        # A key may stand on several days (restated events); stretches of equal keys are short.
        for offset in range(int((right - left).max(initial=0))):
            days.update(np.unique(part.days[left[right > left + offset] + offset]).tolist())
        yield hits, days


def _blocks(run: Run, asked: U64) -> Iterator[Run]:
    """The run as it is searched: mapped, or where most of it is touched anyway, block by block."""
    if len(asked) * 256 < len(run.keys):
        yield run
        return
    for start in range(0, len(run.keys), BLOCK):
        keys, days = (_read(array, start) for array in (run.keys, run.days))
        yield run._replace(keys=keys, days=days)


def _read(array: npt.NDArray[Any], start: int) -> npt.NDArray[Any]:
    """A block by reading: what is touched in a map stays in memory as long as the map does."""
    if not isinstance(array, np.memmap):
        return array[start : start + BLOCK]
    place = array.offset + start * array.itemsize
    count = min(BLOCK, len(array) - start)
    return np.fromfile(str(array.filename), array.dtype, count=count, offset=place)
