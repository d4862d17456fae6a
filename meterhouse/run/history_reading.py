"""The files of a history's folder as rows of text, each with its line."""

import csv
from pathlib import Path

import polars as pl

from meterhouse.canonical import short_hash
from meterhouse.durable import file_sha256
from meterhouse.errors import HistoryFault, UsageError
from meterhouse.history.columns import KINDS
from meterhouse.history.reading import FAULTS, Table
from meterhouse.nearest import did_you_mean

_READ = (".csv", ".parquet")


def find_files(folder: Path) -> list[Path]:
    """The files of the folder, of which each is one of a kind; raises where one is not."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}. Nothing was imported.")
    found = sorted(path for path in folder.iterdir() if path.suffix in _READ)
    told = [
        f"{path.name} is not known{did_you_mean(path.stem, list(KINDS)) or '.'}".rstrip(".")
        for path in found
        if path.stem not in KINDS
    ]
    stems = [path.stem for path in found]
    told += [f"{one} is there as CSV and as Parquet" for one in set(stems) if stems.count(one) > 1]
    if not found:
        told.append(f"folder {folder.name} has no file; files are {', '.join(KINDS)}")
    elif "cut_over" not in stems:
        told.append("cut_over.csv is missing, which says from which day Meterhouse bills")
    if told:
        raise HistoryFault(sorted(told))
    return found


def content_id(paths: list[Path]) -> str:
    """The id of an import: what the files hold, and what each is called."""
    return short_hash([[path.name, file_sha256(path)] for path in paths])


def read_table(path: Path) -> tuple[Table, pl.DataFrame]:
    """The rows of a file, and what is wrong with its form."""
    if path.suffix == ".parquet":
        return _read_parquet(path)
    return _read_csv(path)


def _read_csv(path: Path) -> tuple[Table, pl.DataFrame]:
    rows: list[list[str | int]] = []
    told: list[tuple[str, int, str]] = []
    header: list[str] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            header = [name.strip() for name in next(lines, [])]
            for row in lines:
                if row and len(row) != len(header):
                    told.append(
                        (path.name, lines.line_num,
                         f"has {len(row)} values, and the header {len(header)}")
                    )  # fmt: skip
                elif row:
                    rows.append([lines.line_num, *row])
    except (csv.Error, UnicodeDecodeError) as error:
        told.append((path.name, len(rows) + 2, f"cannot be read as CSV in UTF-8: {error}"))
    told += [(path.name, 1, f"column {n!r} is there twice") for n in _twice(header)]
    if _twice(header) or "line" in header:
        header, rows = [], []
    schema = {"line": pl.Int64, **dict.fromkeys(header, pl.String)}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return Table(path.stem, path.name, frame), pl.DataFrame(told, schema=FAULTS, orient="row")


def _twice(header: list[str]) -> list[str]:
    return sorted({name for name in header if header.count(name) > 1})


def _read_parquet(path: Path) -> tuple[Table, pl.DataFrame]:
    """Decimals, whole numbers, days and texts; a float has no exact text."""
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise HistoryFault([f"{path.name} cannot be read as Parquet: {error}"]) from error
    told = [
        (path.name, 1, f"column {name!r} is a float; give a decimal or a text")
        for name, kind in frame.schema.items()
        if kind.is_float()
    ]
    texts = frame.select(_text(name, kind) for name, kind in frame.schema.items())
    rows = texts.with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int64))
    return Table(path.stem, path.name, rows), pl.DataFrame(told, schema=FAULTS, orient="row")


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    text = pl.col(name).cast(pl.String)
    if not kind.is_decimal():
        return text
    # Zeros at the end say nothing, and no amount has 18 places.
    cut = text.str.strip_chars_end("0").str.strip_chars_end(".")
    return pl.when(text.str.contains(".", literal=True)).then(cut).otherwise(text).alias(name)
