"""CSV that a spreadsheet shows and never calculates.

A text that begins like a formula gets an apostrophe before it (OWASP ASVS 1.2.10); a column of
numbers, and a text that is nothing but a number, stay as they are: -5 is no formula.
"""

import os
from pathlib import Path

import polars as pl

from meterhouse.durable import fsync

# The wide forms count too: spreadsheets with a Japanese input method turn them into the narrow.
FORMULA = r"^[=+\-@\t\r\n\x00＝＋－＠]"
NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
INSTANT = "%Y-%m-%dT%H:%M:%S%.fZ"


def guarded(column: pl.Expr) -> pl.Expr:
    """The texts of a column; those that a spreadsheet would calculate begin with an apostrophe."""
    is_formula = column.str.contains(FORMULA) & ~column.str.contains(NUMBER)
    return pl.when(is_formula).then(pl.concat_str(pl.lit("'"), column)).otherwise(column)


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """The frame as UTF-8 CSV after RFC 4180: texts guarded, instants in UTC, decimals exact."""
    shown = [_shown(name, kind) for name, kind in frame.schema.items()]
    return frame.select(shown).write_csv(line_terminator="\r\n").encode()


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write the frame as CSV, whole or not at all; the folder of `path` must be there."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(csv_bytes(frame))
    fsync(temporary)
    os.replace(temporary, path)
    fsync(path.parent)


def _shown(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.String:
        return guarded(column).alias(name)
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return column.dt.convert_time_zone("UTC").dt.to_string(INSTANT)
    if kind.is_float():
        raise TypeError(f"Column {name!r} is a float, which has no exact text; give a decimal.")
    return column
