"""Where the faulty rows of a CSV file stand, found by a second, slower reading."""

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow.csv as pc

from connectors.origin import LISTED, Origin, listing
from meterhouse.errors import SourceRejected


class Ragged:
    """The rows Arrow could not fit to the header: how many, and the numbers of the first ones."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[tuple[int, int]] = []

    def note(self, row: pc.InvalidRow) -> Literal["skip", "error"]:
        """Remember the row and read on, so that all are reported at once."""
        self.count += 1
        if len(self.first) < LISTED:
            self.first.append((row.number, row.actual_columns))
        return "skip"


def explain(
    origin: Origin, path: Path, delimiter: str, columns: int, ragged: Ragged, is_closed: bool
) -> SourceRejected:
    """The refusal that names every ragged row and an open quote by line."""
    try:
        faults, count = _located(path, delimiter, columns, is_closed)
    except (csv.Error, OSError):  # a field longer than the csv module takes
        faults, count = [], 0
    if not faults:  # also when the two readers split a malformed quote in different ways
        faults, count = _by_record(ragged, is_closed)
    return origin.rejected(
        f"has rows that do not fit its header of {_columns(columns)}; "
        f"mend them and send the file again:{listing(faults, count)}"
    )


def _by_record(ragged: Ragged, is_closed: bool) -> tuple[list[str], int]:
    faults = [f"record {row} has {_columns(found)}" for row, found in ragged.first]
    open_quote = [] if is_closed else ["a quote is never closed"]
    return open_quote + faults, ragged.count + len(open_quote)


def _located(path: Path, delimiter: str, columns: int, is_closed: bool) -> tuple[list[str], int]:
    faults: list[str] = []
    count = 0
    last: tuple[int, int] | None = None
    for found in _records(path, delimiter):
        if last is not None and last[1] != columns:
            count += 1
            if count < LISTED:
                faults.append(f"line {last[0]} has {_columns(last[1])}")
        last = found
    if last is not None and not is_closed:
        return [*faults, f"line {last[0]} opens a quote that is never closed"], count + 1
    if last is not None and last[1] != columns:
        return [*faults, f"line {last[0]} has {_columns(last[1])}"], count + 1
    return faults, count


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, int]]:
    """First line and number of fields of each record that is not blank."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with (
        opened(path, "rb") as stream,
        io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text,
    ):
        reader = csv.reader(text, delimiter=delimiter)
        line = 1
        for fields in reader:
            if fields:
                yield line, len(fields)
            line = reader.line_num + 1


def _columns(count: int) -> str:
    return f"{count} column" + ("" if count == 1 else "s")
