"""Usage in files of a local folder: CSV, NDJSON (both also gzipped), Parquet and XLSX."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from connectors.control import newest, read_control
from connectors.faults import Faults
from connectors.formats import Reading
from connectors.origin import Origin
from connectors.protocols import SourceFile, Statement
from connectors.unpacking import content_of, identity
from meterhouse.errors import SourceUnavailable, UsageError

T = TypeVar("T")


class FilesSource:
    """Reads the regular files of one folder, not of folders below it, sorted by name."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        pattern: str = "*",
        reading: Reading = Reading(),  # noqa: B008 (frozen)
        control: str | None = None,
    ) -> None:
        for given in (pattern, control):
            if given is not None and ("/" in given or given in ("", ".", "..")):
                raise UsageError(
                    f"Source {name!r} cannot have pattern {given!r}; give a file name with * or "
                    "?, and the folder apart from it."
                )
        self.name = name
        self._folder = folder
        self._pattern = pattern
        self._control = control
        self._reading = reading.checked(name)

    def pending(self, committed: Sequence[str] = ()) -> Iterator[SourceFile]:
        """Every good file, hashed; the files that are not are refused together at the end."""
        names = (name for name in self._names(self._pattern) if not self._is_control(name))
        yield from self._each(names, self._listed)

    def stated(self, first: date, last: date) -> Iterator[Statement]:
        """What the control files state, of each day the last one by name."""
        if self._control is None:
            raise UsageError(
                f"Source {self.name!r} has no control files; set completeness.control to a "
                "pattern of their names."
            )
        yield from newest(self._each(self._names(self._control), self._controlled), first, last)

    def _each(self, names: Iterable[str], take: Callable[[str], T]) -> Iterator[T]:
        """What `take` makes of every good file; the faults of the others together at the end."""
        faults = Faults(self.name)
        for name in names:
            with faults.collected():
                yield take(name)
        faults.raised()

    def read(self, file: SourceFile) -> Iterator[pa.RecordBatch]:
        """The records of a file as text; they count only when the last batch has come."""
        origin = Origin(self.name, file.name)
        if "/" in file.name or file.path != self._folder / file.name or is_skipped(file.name):
            raise origin.rejected("is not a file of the folder of this source; list it again")
        identity(origin, file.path)
        yield from self._reading.records(origin, file)

    def _is_control(self, name: str) -> bool:
        return self._control is not None and fnmatchcase(name, self._control)

    def _controlled(self, name: str) -> list[Statement]:
        return read_control(Origin(self.name, name), self._folder / name, self._reading.limits)

    def _names(self, pattern: str) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                names = [e.name for e in entries if not e.is_dir(follow_symlinks=False)]
        except OSError as error:
            raise SourceUnavailable(
                self.name, f"folder {self._folder.name!r} cannot be listed ({error.strerror})"
            ) from error
        return sorted(n for n in names if not is_skipped(n) and fnmatchcase(n, pattern))

    def _listed(self, name: str) -> SourceFile:
        origin = Origin(self.name, name)
        if not name.isprintable():
            raise origin.rejected("has unprintable characters in its name; rename it")
        path = self._folder / name
        identity(origin, path)
        self._reading.format_of(origin)
        return SourceFile(name, path, *content_of(origin, path, self._reading.limits))


def is_skipped(name: str) -> bool:
    """Hidden and temporary files: whoever writes one renames it when it is whole."""
    return name.startswith((".", "~")) or name.lower().endswith(("~", ".tmp", ".part"))
