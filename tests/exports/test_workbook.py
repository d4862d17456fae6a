"""The workbook read back by another library: types, control totals, and what Excel cannot hold."""

from datetime import date
from decimal import Decimal

import openpyxl
import polars as pl
import pytest

from meterhouse.errors import UsageError
from meterhouse.exports import workbook, workbook_reading
from meterhouse.exports.control import Control
from meterhouse.exports.tables import ENTRIES, INVOICES, LINES
from tests.exports.conftest import NAME

CONTROL = Control("acme", date(2026, 1, 1), date(2026, 2, 1), 7, 9, "run", False)


def invoices(*rows):
    """Invoices of number, customer, currency and net; without tax."""
    made = [
        {
            "number": number,
            "customer": customer,
            "currency": code,
            "invoice_date": date(2026, 1, 5),
            "net": Decimal(net),
            "tax": Decimal(0),
            "total": Decimal(net),
            "batch_seq": 3,
        }
        for number, customer, code, net in rows
    ]
    return pl.DataFrame(made, schema_overrides=INVOICES.columns).select(
        pl.col(name) if name in made[0] else pl.lit(None).cast(kind).alias(name)
        for name, kind in INVOICES.columns.items()
    )


def written(path, frame, **options):
    frames = {
        "invoices": frame,
        "lines": pl.DataFrame(schema=LINES.columns),
        "entries": pl.DataFrame(schema=ENTRIES.columns),
    }
    workbook.write(CONTROL, frames, path, **options)
    return openpyxl.load_workbook(path)


def rows_of(sheet):
    """The data rows of a sheet as cells by name."""
    header, *rows = sheet.iter_rows()
    names = [cell.value for cell in header]
    return [dict(zip(names, row, strict=True)) for row in rows]


def control_of(book):
    """What stands on the first sheet: labels, and totals by sheet and currency."""
    rows = [[cell.value for cell in row] for row in book["Control"].iter_rows()]
    start = next(n for n, row in enumerate(rows) if row[0] == "sheet")
    about = {row[0]: row[1] for row in rows[:start] if row[0]}
    totals = {}
    for row in rows[start + 1 :]:
        if row[0] is None:
            break
        named = dict(zip(rows[start], row, strict=True))
        key = named.pop("sheet"), named.pop("currency")
        totals[key] = {name: value for name, value in named.items() if value is not None}
    notes = [row[0] for row in rows[start + 1 + len(totals) :] if row[0]]
    return about, totals, notes


def exact(cell):
    return Decimal(cell.value if isinstance(cell.value, str) else repr(cell.value))


@pytest.mark.slow
@pytest.mark.parametrize("entity", ["us", "jp", "kw"])
def test_control_totals_are_the_sums_of_the_sheets_and_of_the_facts(exported, entity):
    book = openpyxl.load_workbook(exported.path / "exports" / entity / "2025-11/export.xlsx")
    assert book.sheetnames == ["Control", "Invoices", "Lines", "Entries"]
    about, totals, _ = control_of(book)
    assert about["Entity"] == entity
    days = [about[name].date() for name in ("First day", "Last day")]
    assert days == [date(2025, 11, 1), date(2025, 11, 30)]
    assert about["Period is closed"] == "yes"
    for (title, _), said in totals.items():
        cells = rows_of(book[title])
        assert said.pop("rows") == len(cells) > 0
        for name, total in said.items():
            column = "amount" if (title, name) == ("Lines", "net") else name
            assert Decimal(repr(total)) == sum(exact(row[column]) for row in cells)
    facts = exported.rows(
        "select currency, sum(net), sum(tax), sum(total) from facts.documents where entity_id = ? "
        "and invoice_date between '2025-11-01' and '2025-11-30' group by all",
        [entity],
    )
    found = [
        (code, *(Decimal(repr(said[name])) for name in ("net", "tax", "total")))
        for (title, code), said in totals.items()
        if title == "Invoices"
    ]
    assert found == facts
    entries = next(said for (title, _), said in totals.items() if title == "Entries")
    assert entries["debit"] == entries["credit"] > 0


@pytest.mark.slow
def test_numbers_are_numbers_dates_are_dates_and_names_are_text(exported):
    book = openpyxl.load_workbook(exported.path / "exports/us/2025-11/export.xlsx")
    rows = rows_of(book["Invoices"])
    assert {row["net"].data_type for row in rows} == {"n"}
    assert {row["net"].number_format for row in rows} == {"#,##0.00"}
    assert all(row["invoice_date"].is_date for row in rows)
    assert {row["document_id"].data_type for row in rows} == {"s"}
    (alpha,) = [row for row in rows if row["customer_id"].value == "alpha"]
    assert (alpha["customer"].value, alpha["customer"].data_type) == (NAME, "s")
    for name in ("Invoices", "Lines", "Entries"):
        sheet = book[name]
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref == sheet.dimensions
        assert all(cell.font.bold for cell in sheet[1])
    widths = book["Invoices"].column_dimensions
    assert widths["A"].width < widths["E"].width


@pytest.mark.parametrize(
    ("code", "net", "shape"),
    [("JPY", "1001", "#,##0"), ("KWD", "-0.125", "#,##0.000"), ("CLF", "2.0001", "#,##0.0000")],
)
def test_a_number_is_shown_with_its_currencys_places(tmp_path, code, net, shape):
    book = written(tmp_path / "w.xlsx", invoices(("n", "c", code, net)))
    (row,) = rows_of(book["Invoices"])
    assert (row["net"].data_type, row["net"].number_format) == ("n", shape)
    assert exact(row["net"]) == Decimal(net)


def test_an_amount_of_more_than_15_digits_is_text_and_counted_in_front(tmp_path):
    fits, is_long = "1234567890123.45", "12345678901234.56"
    frame = invoices(("1", "c", "USD", fits), ("2", "c", "USD", is_long))
    book = written(tmp_path / "w.xlsx", frame)
    first, second = rows_of(book["Invoices"])
    assert (first["net"].data_type, exact(first["net"])) == ("n", Decimal(fits))
    assert (second["net"].data_type, second["net"].value) == ("s", is_long)
    _, totals, notes = control_of(book)
    assert totals["Invoices", "USD"]["net"] == "13580246791358.01"
    assert any(note.startswith("2 numbers have more than 15 digits") for note in notes)
    read = workbook_reading.tables(tmp_path / "w.xlsx")["invoices"]
    assert read["totals"]["USD"]["net"] == "13580246791358.01"


def test_every_number_of_15_digits_survives_the_double(tmp_path):
    amounts = [f"{n}.{(n * 37) % 100:02d}" for n in range(9_999_999_999_000, 9_999_999_999_999)]
    amounts += [f"{n}.9{n % 10}" for n in range(1000)]
    frame = invoices(*((str(n), "c", "USD", amount) for n, amount in enumerate(amounts)))
    book = written(tmp_path / "w.xlsx", frame)
    assert [exact(row["net"]) for row in rows_of(book["Invoices"])] == [*map(Decimal, amounts)]


def test_a_table_with_too_many_rows_goes_on_on_a_further_sheet(tmp_path):
    frame = invoices(*((f"n{n}", "c", "USD", str(n)) for n in range(7)))
    book = written(tmp_path / "w.xlsx", frame, rows=3)
    titles = ["Invoices", "Invoices (2)", "Invoices (3)"]
    assert book.sheetnames == ["Control", *titles, "Lines", "Entries"]
    numbers = [row["number"].value for title in titles for row in rows_of(book[title])]
    assert numbers == [f"n{n}" for n in range(7)]
    _, totals, _ = control_of(book)
    assert [(totals[title, "USD"]["rows"], totals[title, "USD"]["net"]) for title in titles] == [
        (3, 3),
        (3, 12),
        (1, 6),
    ]
    assert workbook_reading.tables(tmp_path / "w.xlsx")["invoices"]["rows"] == 7
    assert workbook.ROWS == 1_048_576 - 1


def test_a_text_longer_than_a_cell_is_refused(tmp_path):
    with pytest.raises(UsageError, match="longer than a cell"):
        written(tmp_path / "w.xlsx", invoices(("n", "x" * 32_768, "USD", "1")))


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "{=1}", "ftp://x", "007", "\ttab"]
)
def test_no_text_becomes_a_formula_a_link_or_a_number(tmp_path, name):
    book = written(tmp_path / "w.xlsx", invoices((name, name, "USD", "1")))
    (row,) = rows_of(book["Invoices"])
    assert (row["customer"].data_type, row["customer"].value) == ("s", name)
    assert row["customer"].hyperlink is None
