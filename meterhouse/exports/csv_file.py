"""A table as CSV: for machines, so UTF-8 without a mark of byte order and one header line."""

from pathlib import Path

import polars as pl

from meterhouse.csv_text import csv_bytes, write_csv
from meterhouse.exports.tables import Layout, shown


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write the table; amounts have their currency's places, texts are guarded."""
    write_csv(shown(frame), path)


def text_bytes(frame: pl.DataFrame) -> bytes:
    """The bytes that `write` would write."""
    return csv_bytes(shown(frame))


def read(path: Path, layout: Layout) -> pl.DataFrame:
    """The currencies and the summed columns of a file, as exact decimals."""
    wanted = [*dict.fromkeys(layout.totals.values())]
    texts = pl.read_csv(path, infer_schema=False, columns=["currency", *wanted])
    return texts.with_columns(pl.col(name).cast(layout.columns[name]) for name in wanted)
