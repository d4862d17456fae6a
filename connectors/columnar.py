"""Parquet: columns of exact types as they are, all others in one plain spelling."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.limits import Limits
from connectors.origin import Origin, listing
from connectors.protocols import SourceFile
from connectors.spelling import exact, spell, why_not
from connectors.unpacking import identity, open_regular, unpacked

BATCH_ROWS = 16_384


def read_parquet(origin: Origin, file: SourceFile, limits: Limits) -> Iterator[pa.RecordBatch]:
    """All rows, row group by row group; page checksums are verified where they were written."""
    before = identity(origin, file.path)
    _check_content(origin, file, limits)
    if file.bytes == 0:
        return
    row = 1
    with open_regular(origin, file.path) as opened:
        for batch in _batches(origin, opened, limits):
            names = ["source_row", *batch.schema.names]
            rows = pa.arange(row, row + batch.num_rows)
            texts = [_spelled(origin, name, batch.column(name)) for name in names[1:]]
            row += batch.num_rows
            yield pa.RecordBatch.from_arrays([rows, *texts], names=names)
    if identity(origin, file.path) != before:
        raise origin.changing()


def _check_content(origin: Origin, file: SourceFile, limits: Limits) -> None:
    digest = hashlib.sha256()
    for piece in unpacked(origin, file.path, limits):
        digest.update(piece)
    if digest.hexdigest() != file.content_sha256:
        raise origin.changing()


def _batches(origin: Origin, opened: Any, limits: Limits) -> Iterator[pa.RecordBatch]:
    # Arrow raises OSError both for a bad checksum and for the disk; only the disk has an errno.
    try:
        parquet = pq.ParquetFile(opened, page_checksum_verification=True, pre_buffer=False)
        _check_shape(origin, parquet, limits)
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
            if batch.num_rows:
                yield batch
    except OSError as error:
        if error.errno:
            raise origin.unavailable(f"cannot be read ({error.strerror})") from error
        raise origin.rejected(f"is damaged Parquet ({error}); send it again") from error
    except pa.ArrowException as error:
        raise origin.rejected(f"is not Parquet or is damaged ({error}); send it again") from error


def _check_shape(origin: Origin, parquet: pq.ParquetFile, limits: Limits) -> None:
    metadata, schema = parquet.metadata, parquet.schema_arrow
    faults = [
        f"row group {at} holds {size} bytes, more than {limits.max_row_group_bytes}; "
        "write smaller row groups"
        for at in range(metadata.num_row_groups)
        if (size := metadata.row_group(at).total_byte_size) > limits.max_row_group_bytes
    ]
    if len(schema.names) > limits.max_columns:
        faults.append(f"it has {len(schema.names)} columns, more than {limits.max_columns}")
    else:
        faults += _column_faults(schema)
    total = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    if total > limits.max_bytes_unpacked:
        faults.append(f"it holds {total} bytes unpacked, more than {limits.max_bytes_unpacked}")
    if faults:
        raise origin.rejected(f"cannot be read as usage:{listing(faults)}")


def _column_faults(schema: pa.Schema) -> list[str]:
    names = schema.names
    faults = [
        f"column {name!r} is named twice" for name in sorted(set(names)) if names.count(name) > 1
    ]
    faults += ["a column has no name"] if any(not name.strip() for name in names) else []
    faults += ["column 'source_row' has a reserved name"] if "source_row" in names else []
    return faults + [
        f"column {field.name!r} {reason}" for field in schema if (reason := why_not(field.type))
    ]


def _spelled(origin: Origin, name: str, column: pa.Array) -> pa.Array:
    try:
        typed = exact(column)
        return spell(column) if typed is None else typed
    except pa.ArrowException as error:
        raise origin.rejected(f"column {name!r} has no text form ({error})") from error
