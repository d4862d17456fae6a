"""Workbooks: what is taken, in which text, and what is refused because it would be bent."""

# ruff: noqa: DTZ001 (cells have no zone)

import datetime as dt
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
import xlsxwriter
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.worksheet import Worksheet
from xlsxwriter.workbook import Workbook as Written

from connectors.files import FilesSource
from connectors.formats import Reading
from connectors.limits import Limits
from meterhouse.errors import SourceRejected
from tests.connectors.conformance import (
    DRIFTED,
    ROWS,
    Bench,
    Rows,
    SeparateFiles,
    records,
    wide_row,
)

SCRIPT = """
from pathlib import Path
from connectors.files import FilesSource
source = FilesSource("folder", Path(sys.argv[1]))
"""


def save(path: Path, rows: Rows) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    names = list(rows[0] if rows else ROWS[0])
    for row in [names, *([r.get(n) for n in names] for r in rows)]:
        sheet.append(row)
    for line in sheet.iter_rows(min_row=2):
        for cell in line:
            cell.data_type = "s"
    book.save(path)


class WorkbookBench:
    read_again = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source(self) -> FilesSource:
        return FilesSource("folder", self.folder)

    def put(self, name: str, rows: Rows) -> None:
        save(self.folder / f"{name}.xlsx", rows)

    def put_broken(self, name: str) -> None:
        path = self.folder / f"{name}.xlsx"
        save(path, ROWS)
        book = openpyxl.load_workbook(path)
        book.active["C3"] = "#N/A"
        book.save(path)

    def put_many(self, count: int) -> None:
        book = xlsxwriter.Workbook(self.folder / "many.xlsx", {"constant_memory": True})
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, list(wide_row(0)))
        for number in range(count):
            for column, text in enumerate(wide_row(number).values()):
                sheet.write_string(number + 1, column, text)
        book.close()

    def script(self) -> tuple[str, list[str]]:
        return SCRIPT, [str(self.folder)]


class TestWorkbooksConform(SeparateFiles):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return WorkbookBench(tmp_path)


def read(path: Path, **settings: Any) -> pa.Table | None:
    source = FilesSource("test", path.parent, pattern=path.name, reading=Reading(**settings))
    [file] = source.pending()
    return records(source, file)


def made(tmp_path: Path, fill: Callable[[Worksheet], object], **settings: Any) -> list[dict]:
    """The records of a sheet that openpyxl filled; its first row names columns a, b, c."""
    book = openpyxl.Workbook()
    book.active.append(["a", "b", "c"])
    fill(book.active)
    book.save(tmp_path / "made.xlsx")
    table = read(tmp_path / "made.xlsx", **settings)
    return [] if table is None else table.to_pylist()


def refused(tmp_path: Path, fill: Callable[[Worksheet], object], **settings: Any) -> str:
    with pytest.raises(SourceRejected) as caught:
        made(tmp_path, fill, **settings)
    sentence = str(caught.value)
    assert sentence.startswith("Source 'test' was refused: file 'made.xlsx' ")
    return sentence


def written(tmp_path: Path, fill: Callable[[Written], object], **options: Any) -> Path:
    """A workbook of xlsxwriter."""
    path = tmp_path / "written.xlsx"
    with xlsxwriter.Workbook(path, options) as book:
        fill(book)
    return path


def repacked(path: Path, change: Callable[[str, bytes], bytes], **extra: bytes) -> None:
    """The same workbook with parts changed or added."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**parts, **extra}.items():
            archive.writestr(name, change(name, content))


def column_a(tmp_path: Path, *values: object, formats: tuple[str, ...] = ()) -> list[str | None]:
    def fill(sheet: Worksheet) -> None:
        for at, value in enumerate(values):
            cell = sheet.cell(at + 2, 1, value)
            if formats:
                cell.number_format = formats[at]

    return [row["a"] for row in made(tmp_path, fill)]


def test_text_cells_stay_exactly_as_they_are(tmp_path: Path) -> None:
    texts = [
        "00123",
        "2026-01-31T23:59:59.1234567Z",
        "1234567890123456789012345",
        " padded ",
        "Größe 日本 😀",
        "two\nlines",
        "=1+1",
        "-0.000000000000000001",
        "TRUE",
        "null",
    ]

    def fill(book: Written) -> None:
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "a")
        for at, text in enumerate(texts):
            sheet.write_string(at + 1, 0, text)

    table = read(written(tmp_path, fill))
    assert table is not None
    assert table["a"].to_pylist() == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12"),
        (12.0, "12"),
        (-7, "-7"),
        (0, "0"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (-12345.678901, "-12345.678901"),
        (123456789012.345, "123456789012.345"),
        (1e15, "1000000000000000"),
        (2**53 - 1, "9007199254740991"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_numbers_a_double_holds_exactly_are_plain_digits(
    tmp_path: Path, value: object, text: str
) -> None:
    assert column_a(tmp_path, value) == [text]


def test_numbers_a_double_cannot_hold_are_refused_with_their_cells(tmp_path: Path) -> None:
    def fill(sheet: Worksheet) -> None:
        sheet.append([1, 2**53, 1e22])
        sheet.append([0.1234567890123456, 1234567890123456789, 5])

    message = refused(tmp_path, fill)
    for cell in ("B2", "C2", "A3", "B3"):
        assert f"cell {cell} holds" in message
    assert "cell A2" not in message
    assert "cell C3" not in message
    assert "an integer too long for a number cell; format the column as text" in message
    assert "more than 15 digits; format the column as text" in message


def test_faults_beyond_twenty_are_counted(tmp_path: Path) -> None:
    message = refused(tmp_path, lambda sheet: [sheet.append([2**60]) for _ in range(50)])
    assert message.count("\n  - cell A") == 20
    assert "and 30 more" in message


def test_dates_and_times_are_exact_to_the_millisecond(tmp_path: Path) -> None:
    moments = [
        dt.date(2026, 1, 31),
        dt.datetime(2026, 1, 31),
        dt.datetime(2026, 1, 31, 23, 59, 59),
        dt.datetime(2026, 1, 31, 23, 59, 59, 999000),
        dt.datetime(2026, 1, 31, 0, 0, 0, 1000),
        dt.datetime(1900, 3, 1, 12),
        dt.datetime(9999, 12, 31, 23, 59, 59),
    ]
    assert column_a(tmp_path, *moments) == [
        "2026-01-31",
        "2026-01-31 00:00:00",
        "2026-01-31 23:59:59",
        "2026-01-31 23:59:59.999",
        "2026-01-31 00:00:00.001",
        "1900-03-01 12:00:00",
        "9999-12-31 23:59:59",
    ]


def test_every_millisecond_of_a_minute_survives_both_writers(tmp_path: Path) -> None:
    start = dt.datetime(2026, 1, 31, 23, 59, 0)
    moments = [start + dt.timedelta(milliseconds=7 * at) for at in range(8_571)]
    expected = [m.isoformat(" ", "milliseconds").removesuffix(".000") for m in moments]

    def fill(book: Written) -> None:
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "a")
        style = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        for at, moment in enumerate(moments):
            sheet.write_datetime(at + 1, 0, moment, style)

    table = read(written(tmp_path, fill))
    assert table is not None
    assert table["a"].to_pylist() == expected
    assert column_a(tmp_path, *moments) == expected


def test_a_time_finer_than_a_millisecond_is_refused_and_never_rounded_over_midnight(
    tmp_path: Path,
) -> None:
    late = dt.datetime(2026, 1, 31, 23, 59, 59, 999_999)
    message = refused(tmp_path, lambda sheet: sheet.append([late, dt.datetime(2026, 1, 31, 1)]))
    assert "cell A2 holds a time finer than a millisecond" in message
    assert "B2" not in message


def test_dates_of_the_1904_system_are_the_same_days(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append(["a"])
    book.active.append([dt.datetime(2026, 1, 31, 23, 59, 59, 999000)])
    book.save(tmp_path / "old.xlsx")
    table = read(tmp_path / "old.xlsx")
    assert table is not None
    assert table["a"].to_pylist() == ["2026-01-31 23:59:59.999"]
    path = written(
        tmp_path,
        lambda made: made.add_worksheet().write_column(0, 0, ["a", dt.date(2026, 1, 31)]),
        date_1904=True,
        default_date_format="dd.mm.yyyy",
    )
    assert read(path)["a"].to_pylist() == ["2026-01-31"]


@pytest.mark.parametrize(
    ("value", "format", "reason"),
    [
        (60, "yyyy-mm-dd", "the date number 60, outside 1900-03-01"),
        (1.5, "yyyy-mm-dd hh:mm", "the date number 1.5, outside 1900-03-01"),
        (0.5, "hh:mm", "a time without a date"),
        (0.5, "[h]:mm", "a time without a date"),
        (26.5, "[h]:mm", "a time without a date"),
    ],
)
def test_moments_that_are_none_are_refused(
    tmp_path: Path, value: object, format: str, reason: str
) -> None:
    def fill(sheet: Worksheet) -> None:
        sheet["B2"] = value
        sheet["B2"].number_format = format

    message = refused(tmp_path, fill)
    assert f"cell B2 holds {reason}" in message


def test_errors_and_formulas_never_computed_are_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, lambda sheet: sheet.append(["#N/A", "#DIV/0!", "=1+1"]))
    assert "cell A2 holds the error #N/A; mend it" in message
    assert "cell B2 holds the error #DIV/0!" in message
    assert "cell C2 holds a formula that was never computed" in message


def test_a_formula_is_its_stored_value(tmp_path: Path) -> None:
    def fill(book: Written) -> None:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["a", "b", "c"])
        sheet.write_formula(1, 0, "=1+1", None, 2)
        sheet.write_formula(1, 1, '="x"&"y"', None, "xy")
        sheet.write_formula(1, 2, '=""', None, "gone")

    path = written(tmp_path, fill)
    repacked(path, lambda _, content: content.replace(b"<v>gone</v>", b"<v></v>"))
    table = read(path)
    assert table is not None
    assert [table[n].to_pylist() for n in "abc"] == [["2"], ["xy"], [""]]


def test_blank_rows_are_skipped_and_blank_cells_are_null(tmp_path: Path) -> None:
    def fill(sheet: Worksheet) -> None:
        sheet["A4"], sheet["C4"] = "x", "z"
        sheet["A7"].number_format = "0.00"
        sheet["B9"] = 5

    assert made(tmp_path, fill) == [
        {"source_row": 1, "a": "x", "b": None, "c": "z"},
        {"source_row": 2, "a": None, "b": "5", "c": None},
    ]


def test_a_table_may_stand_anywhere_on_its_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for place, value in {"C5": "a", "E5": " b ", "C7": "1", "E7": "2"}.items():
        book.active[place] = value
    book.save(tmp_path / "made.xlsx")
    table = read(tmp_path / "made.xlsx")
    assert table is not None
    assert table.to_pylist() == [{"source_row": 1, "a": "1", "b": "2"}]


def test_many_rows_come_in_numbered_batches(tmp_path: Path) -> None:
    rows = 40_000

    def fill(book: Written) -> None:
        sheet = book.add_worksheet()
        sheet.write_column(0, 0, ["n", *range(rows)])

    path = written(tmp_path, fill)
    source = FilesSource("test", tmp_path)
    [file] = source.pending()
    batches = list(source.read(file))
    assert max(batch.num_rows for batch in batches) <= 16_384
    table = pa.Table.from_batches(batches)
    assert table["source_row"].to_pylist() == list(range(1, rows + 1))
    assert table["n"].to_pylist() == [str(at) for at in range(rows)]
    assert path.exists()


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["a", " a"], "column 'a' is named twice"),
        (["a", "source_row"], "column 'source_row' has a reserved name"),
        ([f"c{at}" for at in range(6)], "it has 6 columns, more than 5"),
    ],
)
def test_bad_names_of_columns_are_refused(tmp_path: Path, names: list[str], reason: str) -> None:
    book = openpyxl.Workbook()
    book.active.append(names)
    book.save(tmp_path / "made.xlsx")
    with pytest.raises(SourceRejected, match=reason):
        read(tmp_path / "made.xlsx", limits=Limits(max_columns=5))


def test_a_value_below_no_name_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, lambda sheet: sheet.append(["x", "y", "z", "extra"]))
    assert "cell D2 stands below no name; give its column one" in message


def test_merged_cells_of_the_table_are_refused_and_those_outside_are_not(tmp_path: Path) -> None:
    def fill(sheet: Worksheet) -> None:
        sheet.append(["x", "y", "z"])
        sheet.append(["u", "v", "w"])
        sheet.merge_cells("B2:B3")
        sheet.merge_cells("F9:G9")

    message = refused(tmp_path, fill)
    assert "cells B2:B3 are merged; unmerge them and fill in each" in message
    assert "F9" not in message


def test_the_first_sheet_that_can_be_seen_is_read_or_the_one_that_is_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Hidden"
    book.active.append(["h"])
    book.active.append(["1"])
    book.active.sheet_state = "hidden"
    book.create_sheet("Usage & more").append(["u"])
    book["Usage & more"].append(["2"])
    book.active = 1
    path = tmp_path / "made.xlsx"
    book.save(path)
    assert read(path).to_pylist() == [{"source_row": 1, "u": "2"}]
    assert read(path, sheet="Hidden").to_pylist() == [{"source_row": 1, "h": "1"}]
    with pytest.raises(SourceRejected) as caught:
        read(path, sheet="Hiden")
    assert "has no sheet 'Hiden'; did you mean 'Hidden'? Its sheets: 'Hidden', 'Usage & more'" in (
        str(caught.value)
    )


def test_a_column_that_comes_later_is_read_by_its_name(tmp_path: Path) -> None:
    save(tmp_path / "a.xlsx", DRIFTED)
    table = read(tmp_path / "a.xlsx")
    assert table is not None
    assert table.column_names == ["source_row", "id", "time", "region"]


def test_rows_and_cells_that_do_not_say_where_they_stand_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    save(path, ROWS)
    expected = read(path)
    stripped = re.compile(rb' r="[A-Z]*[0-9]+"')
    repacked(
        path, lambda name, content: stripped.sub(b"", content) if "sheet1" in name else content
    )
    assert b' r="' not in zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml")
    assert read(path) == expected


def test_elements_with_a_prefix_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    save(path, ROWS)
    expected = read(path)

    def prefixed(name: str, content: bytes) -> bytes:
        if "sheet1" not in name:
            return content
        text = re.sub(rb"<(/?)([a-zA-Z])", rb"<\1x:\2", content)
        return text.replace(b"xmlns=", b"xmlns:x=").replace(b"<?x:xml", b"<?xml")

    repacked(path, prefixed)
    assert read(path) == expected
