"""Usage in files of a local folder: CSV, NDJSON and Parquet, the text formats also gzipped."""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa

from connectors.columnar import read_parquet
from connectors.delimited import CsvDialect, read_csv
from connectors.limits import Limits
from connectors.ndjson import read_ndjson
from connectors.origin import FileRejected, FileUnavailable, Origin, listing
from connectors.protocols import SourceFile
from connectors.unpacking import content_of, identity
from meterhouse.errors import SourceRejected, SourceUnavailable, UsageError

SUFFIXES = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}
FORMATS = ("csv", "ndjson", "parquet")


class FilesSource:
    """Reads the regular files of one folder, not of folders below it, sorted by name."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        pattern: str = "*",
        format: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        csv: CsvDialect = CsvDialect(),  # noqa: B008 (frozen)
    ) -> None:
        if format is not None and format not in FORMATS:
            raise UsageError(
                f"Source {name!r} cannot have format {format!r}; "
                f"choose one of {', '.join(FORMATS)}."
            )
        if "/" in pattern or pattern in ("", ".", ".."):
            raise UsageError(
                f"Source {name!r} cannot have pattern {pattern!r}; give a file name with * or ?, "
                "and the folder apart from it."
            )
        self.name = name
        self._folder = folder
        self._pattern = pattern
        self._format = format
        self._limits = limits
        self._csv = csv

    def pending(self) -> Iterator[SourceFile]:
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
        match self._format_of(origin):
            case "csv":
                yield from read_csv(origin, file, self._limits, self._csv)
            case "ndjson":
                yield from read_ndjson(origin, file, self._limits)
            case _:
                yield from read_parquet(origin, file, self._limits)

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
        self._format_of(origin)
        return SourceFile(name, path, *content_of(origin, path, self._limits))

    def _format_of(self, origin: Origin) -> str:
        name = origin.file.lower()
        bare = name.removesuffix(".gz")
        if bare.endswith(".gz"):
            raise origin.rejected("is packed with gzip twice; unpack it once")
        format = self._format or SUFFIXES.get(Path(bare).suffix)
        if format is None:
            raise origin.rejected(
                f"has no known suffix; name it {', '.join(SUFFIXES)} or set the format"
            )
        if format == "parquet" and bare != name:
            raise origin.rejected("is gzipped Parquet; unpack it, Parquet is packed inside")
        return format


def _is_skipped(name: str) -> bool:
    """Hidden and temporary files: whoever writes one renames it when it is whole."""
    return name.startswith((".", "~")) or name.lower().endswith(("~", ".tmp", ".part"))


def _together(reasons: list[str]) -> str:
    return reasons[0] if len(reasons) == 1 else f"{len(reasons)} files:{listing(reasons)}"
