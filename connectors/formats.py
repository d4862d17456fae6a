"""Which format a file of usage has, and the reader of each."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from connectors.columnar import read_parquet
from connectors.delimited import CsvDialect, read_csv
from connectors.limits import Limits
from connectors.ndjson import read_ndjson
from connectors.origin import Origin
from connectors.protocols import SourceFile
from connectors.spreadsheet import read_xlsx
from meterhouse.errors import UsageError

SUFFIXES = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
FORMATS = ("csv", "ndjson", "parquet", "xlsx")
PACKED_INSIDE = {"parquet": "Parquet", "xlsx": "a workbook"}


@dataclass(frozen=True)
class Reading:
    """How the files of one source are read; without a format its suffix says what a file is."""

    format: str | None = None
    limits: Limits = field(default_factory=Limits)
    csv: CsvDialect = field(default_factory=CsvDialect)
    sheet: str | None = None

    def checked(self, source: str) -> "Reading":
        """Itself; an unknown format is refused in the name of the source."""
        if self.format is not None and self.format not in FORMATS:
            raise UsageError(
                f"Source {source!r} cannot have format {self.format!r}; "
                f"choose one of {', '.join(FORMATS)}."
            )
        return self

    def format_of(self, origin: Origin) -> str:
        """The format of a file by its name; a name that says none is refused."""
        name = origin.file.lower()
        bare = name.removesuffix(".gz")
        if bare.endswith(".gz"):
            raise origin.rejected("is packed with gzip twice; unpack it once")
        format = self.format or SUFFIXES.get(Path(bare).suffix)
        if format is None:
            raise origin.rejected(
                f"has no known suffix; name it {', '.join(SUFFIXES)} or set the format"
            )
        if format in PACKED_INSIDE and bare != name:
            inside = PACKED_INSIDE[format]
            raise origin.rejected(f"is gzipped {inside}; unpack it, {inside} is packed inside")
        return format

    def records(self, origin: Origin, file: SourceFile) -> Iterator[pa.RecordBatch]:
        """The records of a file as text; they count only when the last batch has come."""
        match self.format_of(origin):
            case "csv":
                yield from read_csv(origin, file, self.limits, self.csv)
            case "ndjson":
                yield from read_ndjson(origin, file, self.limits)
            case "xlsx":
                yield from read_xlsx(origin, file, self.limits, self.sheet)
            case _:
                yield from read_parquet(origin, file, self.limits)
