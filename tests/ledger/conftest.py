from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.ledger.posting import unbalanced
from meterhouse.money import AMOUNT

FEB, MAR = date(2024, 2, 1), date(2024, 3, 1)
CONTEXT = {
    "entity_id": "ent",
    "customer_id": "acme",
    "contract_id": "con",
    "item_id": "calls",
    "currency": "EUR",
    "window_start_on": FEB,
    "window_end_on": MAR,
}
TYPES = {
    "window_start_on": pl.Date,
    "window_end_on": pl.Date,
    "served_end_on": pl.Date,
    "posting_date": pl.Date,
    "invoice_date": pl.Date,
    "line_no": pl.Int64,
    "is_correction": pl.Boolean,
}
MONEY = {"amount", "tax", "total", "accrued", "recognised", "value"}


def _frame(columns, rows):
    schema = {name: AMOUNT if name in MONEY else TYPES.get(name, pl.String) for name in columns}
    return pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], schema=schema)


@pytest.fixture(scope="session")
def documents():
    columns = [
        *("document_id", "entity_id", "customer_id", "contract_id", "currency"),
        *("invoice_date", "tax", "total"),
    ]
    base = CONTEXT | {"document_id": "d1", "invoice_date": MAR}
    return lambda *rows: _frame(columns, [base | row for row in rows])


@pytest.fixture(scope="session")
def lines():
    columns = [
        *("document_id", "line_no", "line_key", "contract_id", "item_id", "timing"),
        *("is_correction", "amount", "window_start_on", "window_end_on"),
    ]
    base = CONTEXT | {"document_id": "d1", "timing": "arrears", "is_correction": False}

    def make(*rows):
        numbered = [
            {"line_no": n, "line_key": f"k{n}"} | base | row for n, row in enumerate(rows, 1)
        ]
        return _frame(columns, numbered)

    return make


@pytest.fixture(scope="session")
def accrued():
    def make(**open_amounts):
        rows = [{**CONTEXT, "line_key": k, "accrued": v} for k, v in open_amounts.items()]
        return _frame(["line_key", "accrued", *CONTEXT], rows)

    return make


@pytest.fixture(scope="session")
def delivered():
    def make(**values):
        rows = [{**CONTEXT, "line_key": k, "value": v} for k, v in values.items()]
        return _frame(["line_key", "value", *CONTEXT], rows)

    return make


@pytest.fixture(scope="session")
def invoiced():
    def make(**dates):
        rows = [{"line_key": k, "posting_date": v} for k, v in dates.items()]
        return _frame(["line_key", "posting_date"], rows)

    return make


@pytest.fixture(scope="session")
def advance():
    columns = ["document_id", "line_key", "amount", "posting_date", "served_end_on", *CONTEXT]
    base = CONTEXT | {"document_id": "d1", "line_key": "k1", "posting_date": FEB}

    def make(*rows):
        told = [base | row for row in rows]
        return _frame(columns, [{"served_end_on": row["window_end_on"]} | row for row in told])

    return make


@pytest.fixture(scope="session")
def recognised():
    columns = ["document_id", "line_key", "recognised"]
    return lambda *rows: _frame(columns, list(rows))


@pytest.fixture(scope="session")
def booked():
    """{account: debit minus credit} of a journal that was first seen to balance."""

    def sums(journal, **only):
        entries, entry_lines = journal
        assert unbalanced(entries, entry_lines).is_empty()
        assert (entry_lines.select("debit", "credit").min_horizontal() >= 0).all()
        kept = entry_lines.join(entries, on="entry_id").filter(**only)
        net = kept.group_by("account").agg(net=pl.col("debit").sum() - pl.col("credit").sum())
        return {account: value for account, value in net.rows() if value != Decimal(0)}

    return sums
