"""Usage in workbooks (XLSX): the cells of one sheet as text, never bent."""

from collections.abc import Iterator

import pyarrow as pa

from connectors.limits import Limits
from connectors.origin import Origin
from connectors.protocols import SourceFile


def read_xlsx(
    origin: Origin, file: SourceFile, limits: Limits, sheet: str | None
) -> Iterator[pa.RecordBatch]:
    """The rows below the header of a sheet (default the first), every column a string."""
    raise NotImplementedError
