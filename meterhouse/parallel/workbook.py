"""The comparison as an Excel workbook: causes, customers, variances, documents kept out.

Texts are never formulas, and a number of more digits than Excel keeps is written as text.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter  # type: ignore[import-untyped]

from meterhouse.durable import fsync
from meterhouse.money import places
from meterhouse.parallel.compare import Compared
from meterhouse.parallel.report import by_cause, quantity

DIGITS = 15
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
# Fixed, so that equal tables give equal bytes.
CREATED = datetime(2000, 1, 1, tzinfo=UTC)


def write_workbook(found: Compared, kept_out: pl.DataFrame, period: str, path: Path) -> None:
    """Write the workbook and wait for the disk."""
    book = xlsxwriter.Workbook(str(path), {**OPTIONS, "tmpdir": str(path.parent)})
    book.set_properties({"title": f"Parallel run {period}", "created": CREATED})
    causes = by_cause(found.variances)
    names = ("cause", "meaning", "count", "net", "tax", "amount", "currency")
    sheets: dict[str, tuple[list[str], list[Any]]] = {
        "Causes": ([*names], [[one[name] for name in names] for one in causes]),
        "Customers": (found.cells.columns, found.cells.rows()),
        "Variances": (found.variances.columns, found.variances.rows()),
        "Kept out": (kept_out.columns, kept_out.rows()),
    }
    bold = book.add_format({"bold": True})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    formats: dict[str, Any] = {}
    for title, (columns, rows) in sheets.items():
        sheet = book.add_worksheet(title)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, max(len(columns) - 1, 0), 16)
        for column, name in enumerate(columns):
            sheet.write_string(0, column, name.replace("_", " "), bold)
        currency = columns.index("currency") if "currency" in columns else None
        for number, row in enumerate(rows, 1):
            code = None if currency is None else row[currency]
            for column, value in enumerate(row):
                style = _style(book, formats, code, columns[column])
                _put(sheet, number, column, value, style, day)
    book.close()
    fsync(path)


def _style(book: Any, formats: dict[str, Any], currency: str | None, name: str) -> Any:
    """The number format of an amount in its currency; quantities have none."""
    if currency is None or name.endswith("quantity") or name == "count":
        return None
    if currency not in formats:
        fraction = "." + "0" * places(currency) if places(currency) else ""
        formats[currency] = book.add_format({"num_format": f"#,##0{fraction}"})
    return formats[currency]


def _put(sheet: Any, row: int, column: int, value: Any, style: Any, day: Any) -> None:
    if value is None:
        return
    if isinstance(value, Decimal):
        text = quantity(value)
        if len(text.lstrip("-").replace(".", "").strip("0")) <= DIGITS:
            sheet.write_number(row, column, value, style)
        else:
            sheet.write_string(row, column, text)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, day)
    elif isinstance(value, int):
        sheet.write_number(row, column, value)
    else:
        sheet.write_string(row, column, str(value))
