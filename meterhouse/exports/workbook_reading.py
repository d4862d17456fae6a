"""Rows and control totals of a workbook as Excel would read them: numbers are doubles."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from python_calamine import CalamineWorkbook

from meterhouse.exports.tables import LAYOUTS, Layout, total_text

Sums = dict[str, dict[str, Decimal]]


def tables(path: Path) -> dict[str, Any]:
    """Rows and totals of each table, over all sheets that hold a part of it."""
    with CalamineWorkbook.from_path(path) as book:
        return {one.name: _table(book, one) for one in LAYOUTS}


def _table(book: CalamineWorkbook, layout: Layout) -> dict[str, Any]:
    rows, sums = 0, Sums()
    for name in book.sheet_names:
        if name.partition(" (")[0].lower() == layout.name:
            rows += _add(iter(book.get_sheet_by_name(name).iter_rows()), layout, sums)
    texts = {
        currency: {name: total_text(amount, currency) for name, amount in sums[currency].items()}
        for currency in sorted(sums)
    }
    return {"rows": rows, "totals": texts}


def _add(rows: Iterator[list[Any]], layout: Layout, sums: Sums) -> int:
    """Add a sheet's amounts to the sums; returns its rows."""
    header = next(rows)
    places = {name: header.index(column) for name, column in layout.totals.items()}
    currency, count = header.index("currency"), 0
    for row in rows:
        count += 1
        of_currency = sums.setdefault(row[currency], dict.fromkeys(places, Decimal(0)))
        for name, place in places.items():
            of_currency[name] += _exact(row[place])
    return count


def _exact(cell: Any) -> Decimal:
    """A cell's number: the shortest text of a double gives back its 15 digits."""
    return Decimal(cell if isinstance(cell, str) else repr(cell))
