"""The tables as one Excel workbook with a sheet of control totals in front.

Excel keeps numbers as doubles, which hold 15 digits: an amount with more is written as text, exact,
and counted on the first sheet. Rows are streamed, because a workbook in memory takes 50 times more.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import xlsxwriter  # type: ignore[import-untyped]

from meterhouse.durable import fsync
from meterhouse.errors import UsageError
from meterhouse.exports.control import Control
from meterhouse.exports.tables import (
    LAYOUTS,
    MONEY,
    Frames,
    Layout,
    currency_of,
    shown,
    totals,
)
from meterhouse.money import places

ROWS = 1_048_576 - 1  # Of a sheet, below its header.
DIGITS = 15
CELL = 32_767
WIDEST = 48
# Fixed, so that equal tables give equal bytes; the parts of the file are dated 1980 by the library.
CREATED = datetime(2000, 1, 1, tzinfo=UTC)
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
SUMS = ("net", "tax", "total", "debit", "credit")


class Sheet(NamedTuple):
    """A sheet: one table or, when it has too many rows, a part of it."""

    title: str
    layout: Layout
    frame: pl.DataFrame


def sheets(frames: Frames, rows: int = ROWS) -> list[Sheet]:
    """The data sheets in order: Invoices, Lines, Entries; then `Lines (2)` and so on."""
    made = []
    for layout in LAYOUTS:
        frame = frames[layout.name]
        for part, offset in enumerate(range(0, max(frame.height, 1), rows), 1):
            title = layout.name.capitalize() + (f" ({part})" if part > 1 else "")
            made.append(Sheet(title, layout, frame.slice(offset, rows)))
    return made


def write(control: Control, frames: Frames, path: Path, rows: int = ROWS) -> None:
    """Write the workbook and wait for the disk; `rows` is the most that a sheet takes."""
    _refuse_long(frames)
    book = xlsxwriter.Workbook(str(path), {**OPTIONS, "tmpdir": str(path.parent)})
    book.set_properties({"title": f"{control.entity} {control.period}", "created": CREATED})
    writer = _Writer(book)
    made = sheets(frames, rows)
    writer.control(control, made)
    for sheet in made:
        writer.table(sheet)
    book.close()
    fsync(path)


def fits(text: str) -> bool:
    """Whether a double holds the number exactly enough to give back every digit."""
    return len(text.lstrip("-").replace(".", "").strip("0")) <= DIGITS


def _refuse_long(frames: Frames) -> None:
    """Refuse texts that a cell does not hold: the library would leave them out without a word."""
    for name, frame in frames.items():
        longest = frame.select(pl.col(pl.String).str.len_chars().max()).row(0)
        count = max((found for found in longest if found is not None), default=0)
        if count > CELL:
            raise UsageError(
                f"A text of {count:,} characters in {name} is longer than a cell of a workbook "
                f"holds ({CELL:,}). Nothing was exported. Leave xlsx out of the formats."
            )


class _Writer:
    """The workbook that is being written, with its formats."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.bold = book.add_format({"bold": True})
        self.date = book.add_format({"num_format": "yyyy-mm-dd"})
        self.formats: dict[str, Any] = {}

    def money(self, currency: str) -> Any:
        """The number format of a currency: its places, thousands apart."""
        if currency not in self.formats:
            fraction = "." + "0" * places(currency) if places(currency) else ""
            self.formats[currency] = self.book.add_format({"num_format": f"#,##0{fraction}"})
        return self.formats[currency]

    def control(self, control: Control, made: list[Sheet]) -> None:
        """The first sheet: what the export is, totals of each sheet, and notes."""
        sheet = self.book.add_worksheet("Control")
        sheet.set_column(0, 0, 22)
        sheet.set_column(1, 7, 18)
        row = 0
        for label, value in _about(control):
            sheet.write_string(row, 0, label, self.bold)
            self._put(sheet, row, 1, value)
            row += 1
        row += 1
        for column, name in enumerate(("sheet", "rows", "currency", *SUMS)):
            sheet.write_string(row, column, name, self.bold)
        for title, count, currency, sums in _sums(made):
            row += 1
            sheet.write_string(row, 0, title)
            sheet.write_number(row, 1, count)
            sheet.write_string(row, 2, currency)
            for column, name in enumerate(SUMS, 3):
                if name in sums:
                    self._amount(sheet, row, column, sums[name], self.money(currency))
        for note in _notes(made):
            row += 2
            sheet.write_string(row, 0, note)

    def table(self, part: Sheet) -> None:
        """A data sheet: bold frozen header, filter, one row per row."""
        sheet = self.book.add_worksheet(part.title)
        texts = shown(part.frame)
        for column, (name, width) in enumerate(_widths(texts)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, name, self.bold)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, part.frame.height, part.frame.width - 1)
        cells = self._cells(sheet, part.frame.schema)
        for number, values in enumerate(texts.iter_rows(), 1):
            for column, write_cell in enumerate(cells):
                if values[column] is not None:
                    write_cell(number, column, values)

    def _cells(self, sheet: Any, schema: pl.Schema) -> list[Callable[[int, int, Any], None]]:
        """How each column is written: row and column of the sheet, and the row's values."""
        names = list(schema)

        def money(currency: int) -> Callable[[int, int, Any], None]:
            def put(row: int, column: int, values: Any) -> None:
                self._amount(sheet, row, column, values[column], self.money(values[currency]))

            return put

        def number(row: int, column: int, values: Any) -> None:
            self._amount(sheet, row, column, values[column], None)

        def other(row: int, column: int, values: Any) -> None:
            self._put(sheet, row, column, values[column])

        return [
            money(names.index(currency_of(name)))
            if kind == MONEY
            else number
            if kind.is_decimal()
            else other
            for name, kind in schema.items()
        ]

    def _amount(self, sheet: Any, row: int, column: int, text: str, style: Any) -> None:
        if fits(text):
            sheet.write_number(row, column, Decimal(text), style)
        else:
            sheet.write_string(row, column, text)

    def _put(self, sheet: Any, row: int, column: int, value: Any) -> None:
        if isinstance(value, str):
            sheet.write_string(row, column, value)
        elif isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, date):
            sheet.write_datetime(row, column, value, self.date)
        else:
            sheet.write_number(row, column, value)


def _about(control: Control) -> list[tuple[str, Any]]:
    return [
        ("Entity", control.entity),
        ("Period", control.period),
        ("First day", control.first),
        ("Last day", control.last),
        ("As of batch", control.batch_seq),
        ("As of snapshot", control.snapshot),
        ("Run", control.run_id or "none"),
        ("Period is closed", "yes" if control.is_closed else "no"),
    ]


def _sums(made: list[Sheet]) -> Iterator[tuple[str, int, str, dict[str, str]]]:
    """One row per sheet and currency; a sheet without rows has one without sums."""
    for sheet in made:
        counts = dict(sheet.frame.group_by("currency").len().iter_rows())
        found = totals(sheet.frame, sheet.layout)
        for currency, sums in found.items():
            yield sheet.title, counts[currency], currency, sums
        if not found:
            yield sheet.title, 0, "", {}


def _notes(made: list[Sheet]) -> list[str]:
    notes = ["Total debit equals total credit in each currency, over all sheets of entries."]
    count = sum(_long(sheet.frame) for sheet in made)
    if count:
        notes.append(
            f"{count:,} numbers have more than {DIGITS} digits, which Excel would cut; "
            "they are texts with all their digits, and sums of cells leave them out."
        )
    return notes


def _long(frame: pl.DataFrame) -> int:
    """How many numbers of the frame are written as text."""
    names = [name for name, kind in frame.schema.items() if kind.is_decimal()]
    digits = pl.col(*names).str.replace_all(r"[-.]", "").str.strip_chars("0").str.len_chars()
    counts = shown(frame).select((digits > DIGITS).sum())
    return int(sum(counts.row(0)))


def _widths(texts: pl.DataFrame) -> list[tuple[str, int]]:
    """Each column with room for its widest text, at most WIDEST characters."""
    longest = texts.select(pl.all().cast(pl.String).str.len_chars().max().fill_null(0)).row(0)
    return [
        (name, min(max(len(name), width) + 3, WIDEST))
        for name, width in zip(texts.columns, longest, strict=True)
    ]
