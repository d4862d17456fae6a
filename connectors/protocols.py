"""What every source of usage offers, whatever system stands behind it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Protocol, runtime_checkable

import pyarrow as pa


@dataclass(frozen=True)
class SourceFile:
    """One whole delivery of usage in a local file: what landed, or what was fetched and verified.

    Equal unpacked bytes are the same delivery, whatever its name or packing.
    """

    name: str
    path: Path
    content_sha256: str  # of the unpacked bytes, 64 hex digits
    bytes: int  # unpacked
    # How far the source is read once this delivery is committed; None where the hash says it all.
    cursor: str | None = None


class UsageSource(Protocol):
    """A place usage comes from: it lists deliveries and reads each as records of text.

    Every batch has `source_row` (int64, the 1-based number of the record in the file); all other
    columns are nullable strings that keep the text of the source, or, from typed formats, of a type
    that is exact (whole numbers, decimal128, booleans, timestamps of microseconds, zoned in UTC).
    Memory is bounded. The records count only when `read` has come to its end: a fault found later
    refuses the whole file.
    Errors: SourceRejected is final and lists all faults it can, by file and line;
    SourceUnavailable may be retried.
    """

    @property
    def name(self) -> str: ...

    def pending(self, committed: Sequence[str] = ()) -> Iterator[SourceFile]:
        """All deliveries that can be read, in a fixed order; whoever loads skips known hashes.

        `committed` are the cursors of this source that were committed, oldest first. A remote
        source fetches one delivery when it is asked for the next, whole or not at all, and may
        delete its file when it is asked for the one after.
        """
        ...

    def read(self, file: SourceFile) -> Iterator[pa.RecordBatch]:
        """The records of one file, in the order of the file."""
        ...


@dataclass(frozen=True)
class Statement:
    """What a source itself says it holds for one UTC day, not counted by our reader."""

    day: date
    events: int
    total: Decimal | None  # sum of the property named in the settings; None where none is named


@runtime_checkable
class StatesTotals(Protocol):
    """A source that can state its own totals."""

    def stated(self, first: date, last: date) -> Iterator[Statement]:
        """One statement per day from first to last, both included, on which it holds anything.

        Errors as in UsageSource.
        """
        ...
