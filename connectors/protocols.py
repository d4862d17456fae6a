"""What every source of usage offers, whatever system stands behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True)
class SourceFile:
    """One file of usage; equal unpacked bytes are the same file, whatever its name or packing."""

    name: str
    path: Path
    content_sha256: str  # of the unpacked bytes, 64 hex digits
    bytes: int  # unpacked


class UsageSource(Protocol):
    """A place usage comes from: it lists files and reads each as records of text.

    Every batch has `source_row` (int64, the 1-based number of the record in the file); all other
    columns are nullable strings that keep the text of the source. Memory is bounded. The records
    count only when `read` has come to its end: a fault found later refuses the whole file.
    Errors: SourceRejected is final and lists all faults it can, by file and line;
    SourceUnavailable may be retried.
    """

    @property
    def name(self) -> str: ...

    def pending(self) -> Iterator[SourceFile]:
        """All files that can be read, in a fixed order; whoever loads skips known hashes."""
        ...

    def read(self, file: SourceFile) -> Iterator[pa.RecordBatch]:
        """The records of one file, in the order of the file."""
        ...
