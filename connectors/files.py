"""Usage in files of a local folder: CSV, NDJSON (both also gzipped), Parquet and XLSX."""

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa

from connectors.formats import Reading
from connectors.origin import FileRejected, FileUnavailable, Origin, listing
from connectors.protocols import SourceFile
from connectors.unpacking import content_of, identity
from meterhouse.errors import SourceRejected, SourceUnavailable, UsageError


class FilesSource:
    """Reads the regular files of one folder, not of folders below it, sorted by name."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        pattern: str = "*",
        reading: Reading = Reading(),  # noqa: B008 (frozen)
    ) -> None:
        if "/" in pattern or pattern in ("", ".", ".."):
            raise UsageError(
                f"Source {name!r} cannot have pattern {pattern!r}; give a file name with * or ?, "
                "and the folder apart from it."
            )
        self.name = name
        self._folder = folder
        self._pattern = pattern
        self._reading = reading.checked(name)

    def pending(self, committed: Sequence[str] = ()) -> Iterator[SourceFile]:
        """Every good file, hashed; the files that are not are refused together at the end."""
        rejected: list[str] = []
        unavailable: list[str] = []
        for name in self._names():
            try:
                yield self._listed(name)
            except FileRejected as error:
                rejected.append(error.reason)
            except FileUnavailable as error:
                unavailable.append(error.reason)
        if rejected:
            raise SourceRejected(self.name, _together(rejected + unavailable))
        if unavailable:
            raise SourceUnavailable(self.name, _together(unavailable))

    def read(self, file: SourceFile) -> Iterator[pa.RecordBatch]:
        """The records of a file as text; they count only when the last batch has come."""
        origin = Origin(self.name, file.name)
        if "/" in file.name or file.path != self._folder / file.name or _is_skipped(file.name):
            raise origin.rejected("is not a file of the folder of this source; list it again")
        identity(origin, file.path)
        yield from self._reading.records(origin, file)

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                names = [e.name for e in entries if not e.is_dir(follow_symlinks=False)]
        except OSError as error:
            raise SourceUnavailable(
                self.name, f"folder {self._folder.name!r} cannot be listed ({error.strerror})"
            ) from error
        return sorted(n for n in names if not _is_skipped(n) and fnmatchcase(n, self._pattern))

    def _listed(self, name: str) -> SourceFile:
        origin = Origin(self.name, name)
        if not name.isprintable():
            raise origin.rejected("has unprintable characters in its name; rename it")
        path = self._folder / name
        identity(origin, path)
        self._reading.format_of(origin)
        return SourceFile(name, path, *content_of(origin, path, self._reading.limits))


def _is_skipped(name: str) -> bool:
    """Hidden and temporary files: whoever writes one renames it when it is whole."""
    return name.startswith((".", "~")) or name.lower().endswith(("~", ".tmp", ".part"))


def _together(reasons: list[str]) -> str:
    return reasons[0] if len(reasons) == 1 else f"{len(reasons)} files:{listing(reasons)}"
