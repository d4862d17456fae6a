"""The source and file a fault belongs to, and the two kinds of fault."""

from collections.abc import Sequence
from typing import NamedTuple

from meterhouse.errors import SourceRejected, SourceUnavailable

LISTED = 20  # faults spelled out in one message; the rest is counted


class FileRejected(SourceRejected):
    """A file refused for good; `reason` is the sentence without the name of the source."""

    def __init__(self, source: str, reason: str) -> None:
        self.reason = reason
        super().__init__(source, reason)


class FileUnavailable(SourceUnavailable):
    """A file that may be read later; `reason` as in FileRejected."""

    def __init__(self, source: str, reason: str) -> None:
        self.reason = reason
        super().__init__(source, reason)


class Origin(NamedTuple):
    """A file of a source, as messages name it."""

    source: str
    file: str

    def rejected(self, reason: str, *, line: int | None = None) -> FileRejected:
        """A final fault of the file's content, at a line if one is known."""
        at = "" if line is None else f" line {line}"
        return FileRejected(self.source, f"file {self.file!r}{at} {reason}")

    def unavailable(self, reason: str) -> FileUnavailable:
        """A fault that another try may not meet."""
        return FileUnavailable(self.source, f"file {self.file!r} {reason}")

    def changing(self) -> FileUnavailable:
        """The file is not what it was a moment ago."""
        return self.unavailable("changed while it was read; it is still being written")


def listing(faults: Sequence[str], count: int | None = None) -> str:
    """Faults on one line each, the first twenty spelled out."""
    total = len(faults) if count is None else count
    shown = "".join(f"\n  - {fault}" for fault in faults[:LISTED])
    rest = total - min(len(faults), LISTED)
    return shown + (f"\n  - and {rest} more" if rest > 0 else "")
