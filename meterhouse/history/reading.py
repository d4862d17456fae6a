"""Rows of text to typed columns, with a sentence for each cell that cannot be read."""

from typing import NamedTuple

import polars as pl

from meterhouse.history.columns import DAY, KINDS, MONEY, NUMBER, TEXT, WHOLE, Column, Kind
from meterhouse.money import AMOUNT, QUANTITY
from meterhouse.nearest import did_you_mean

TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    TEXT: pl.String,
    DAY: pl.Date,
    MONEY: AMOUNT,
    NUMBER: QUANTITY,
    WHOLE: pl.Int64,
}
_SHAPES = {
    DAY: r"^\d{4}-\d{2}-\d{2}$",
    MONEY: r"^-?\d{1,18}(\.\d{1,4})?$",
    NUMBER: r"^-?\d{1,24}(\.\d{1,12})?$",
    WHOLE: r"^\d{1,15}$",
}
_SHOWN = {
    DAY: "a day such as 2024-01-31",
    MONEY: "an amount such as 12.50, with at most 4 places",
    NUMBER: "a number such as 12.5, with at most 12 places",
    WHOLE: "a whole number",
}
FAULTS = {"file": pl.String, "line": pl.Int64, "sentence": pl.String}


class Table(NamedTuple):
    """The rows of one file as text, each with its `line`; `file` is its name."""

    kind: str
    file: str
    rows: pl.DataFrame


def faults(frame: pl.DataFrame, sentence: pl.Expr) -> pl.DataFrame:
    """Each row of a frame with `file` and `line` as a fault."""
    return frame.select("file", "line", sentence=sentence.cast(pl.String))


def empty(kind: str) -> pl.DataFrame:
    """No row of a kind, with its columns."""
    columns = {one.name: TYPES[one.type] for one in KINDS[kind].columns}
    return pl.DataFrame(schema={"file": pl.String, "line": pl.Int64, **columns})


def typed(table: Table) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with typed columns (and `file`, `line`), and what is wrong with them.

    Rows with a fault are left out, so that what else is checked is not told twice.
    """
    kind = KINDS[table.kind]
    found = [_headers(table, kind)]
    if found[0].height:
        return empty(table.kind), found[0]
    blank = pl.col(pl.String).str.strip_chars()
    rows = table.rows.with_columns(pl.when(blank != "").then(blank).name.keep())
    rows = rows.with_columns(
        *(
            pl.lit(None, pl.String).alias(c.name)
            for c in kind.columns
            if c.name not in rows.columns
        ),
        file=pl.lit(table.file),
    )
    found += [_cells(rows, column) for column in kind.columns]
    values = rows.select("file", "line", *(_value(column) for column in kind.columns))
    if kind.key:
        again = values.filter(~pl.struct(kind.key).is_first_distinct())
        named = pl.format(" ".join(["{}"] * len(kind.key)), *(_text(name) for name in kind.key))
        found.append(faults(again, pl.format("{} is there twice", named)))
    told = pl.concat(found)
    return values.join(told, on="line", how="anti", maintain_order="left"), told


def _text(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).fill_null("-")


def _headers(table: Table, kind: Kind) -> pl.DataFrame:
    """Columns that are not known, and required ones that are missing."""
    known = [column.name for column in kind.columns]
    given = [name for name in table.rows.columns if name != "line"]
    told = [
        f"column {name!r} is not known{did_you_mean(name, known) or '.'}".rstrip(".")
        for name in given
        if name not in known
    ]
    told += [
        f"column {column.name!r} is missing"
        for column in kind.columns
        if column.is_required and column.name not in given
    ]
    rows = [(table.file, 1, sentence) for sentence in told]
    return pl.DataFrame(rows, schema=FAULTS, orient="row")


def _cells(rows: pl.DataFrame, column: Column) -> pl.DataFrame:
    name, value = column.name, pl.col(column.name)
    found = []
    if column.is_required:
        found.append(faults(rows.filter(value.is_null()), pl.lit(f"{name} is empty")))
    if column.type != TEXT:
        given = rows.filter(value.is_not_null()).with_columns(_value(column).alias("_value"))
        wrong = given.filter(pl.col("_value").is_null())
        shown = pl.format(f"{name} '{{}}' is not {_SHOWN[column.type]}", value)
        found.append(faults(wrong, shown))
    if column.choices:
        other = rows.filter(value.is_not_null() & ~value.is_in(column.choices))
        listed = " or ".join(column.choices)
        found.append(faults(other, pl.format(f"{name} '{{}}' is not {listed}", value)))
    return pl.concat([pl.DataFrame(schema=FAULTS), *found])


def _value(column: Column) -> pl.Expr:
    value = pl.col(column.name)
    if column.type == TEXT:
        return value
    # Only what has the shape is read: nothing is rounded or guessed.
    shaped = pl.when(value.str.contains(_SHAPES[column.type])).then(value)
    if column.type == DAY:
        return shaped.str.to_date("%Y-%m-%d", strict=False).alias(column.name)
    return shaped.cast(TYPES[column.type], strict=False).alias(column.name)
