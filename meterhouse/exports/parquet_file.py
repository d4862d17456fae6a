"""A table as Parquet: typed, decimals as DECIMAL, packed with zstd."""

from pathlib import Path

import polars as pl

from meterhouse.durable import fsync
from meterhouse.exports.tables import Layout


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write the table and wait for the disk."""
    frame.write_parquet(path, compression="zstd")
    fsync(path)


def read(path: Path, layout: Layout) -> pl.DataFrame:
    """The currencies and the summed columns of a file."""
    return pl.read_parquet(path, columns=["currency", *dict.fromkeys(layout.totals.values())])
