"""The three tables of an export: their columns, and what is added up of them for control."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import polars as pl

from meterhouse.money import PLACES, QUANTITY, places, round_half_away

# No currency has more than four places, and what is exported was rounded to its places before.
MONEY = pl.Decimal(38, 4)
RATE = pl.Decimal(38, 18)
Columns = dict[str, pl.DataType | type[pl.DataType]]
Totals = dict[str, dict[str, str]]


class Layout(NamedTuple):
    """A table: its name, its columns in order, and the columns behind its control totals."""

    name: str
    columns: Columns
    totals: Mapping[str, str]


# One row per issued document with its invoice date in the period.
INVOICES = Layout(
    "invoices",
    {
        "entity_id": pl.String,
        "number": pl.String,
        "kind": pl.String,
        "customer_id": pl.String,
        "customer": pl.String,
        "contract_id": pl.String,
        "invoice_date": pl.Date,
        "due_date": pl.Date,
        "posting_date": pl.Date,
        "currency": pl.String,
        "net": MONEY,
        "tax": MONEY,
        "total": MONEY,
        "document_id": pl.String,
        "run_id": pl.String,
        "batch_seq": pl.Int64,
        # Day on which it was taken back; its entries are reversed in the period of that day.
        "voided_on": pl.Date,
    },
    {"net": "net", "tax": "tax", "total": "total"},
)
# One row per line of those documents.
LINES = Layout(
    "lines",
    {
        "entity_id": pl.String,
        "number": pl.String,
        "line_no": pl.Int64,
        "invoice_date": pl.Date,
        "customer_id": pl.String,
        "payer_id": pl.String,
        "contract_id": pl.String,
        "item_id": pl.String,
        "description": pl.String,
        "component": pl.String,
        "role": pl.String,
        "timing": pl.String,
        "dimensions": pl.String,
        "service_start": pl.Date,
        "service_end": pl.Date,
        "meter_id": pl.String,
        "quantity": QUANTITY,
        "currency": pl.String,
        "amount": MONEY,
        "is_correction": pl.Boolean,
        "original_number": pl.String,
        "document_id": pl.String,
        "line_key": pl.String,
    },
    {"net": "amount"},
)
# One row per line of a journal entry with its posting date in the period.
ENTRIES = Layout(
    "entries",
    {
        "entity_id": pl.String,
        "entry_id": pl.String,
        "line_no": pl.Int64,
        "event": pl.String,
        "event_date": pl.Date,
        "posting_date": pl.Date,
        "account": pl.String,
        "currency": pl.String,
        "debit": MONEY,
        "credit": MONEY,
        "base_currency": pl.String,
        "fx_rate": RATE,
        "debit_base": MONEY,
        "credit_base": MONEY,
        "customer_id": pl.String,
        "customer": pl.String,
        "contract_id": pl.String,
        "item_id": pl.String,
        "service_start": pl.Date,
        "service_end": pl.Date,
        "number": pl.String,
        "document_id": pl.String,
        "line_key": pl.String,
        "reversal_of": pl.String,
        "batch_seq": pl.Int64,
    },
    {"debit": "debit", "credit": "credit"},
)
LAYOUTS = (INVOICES, LINES, ENTRIES)
Frames = Mapping[str, pl.DataFrame]


def currency_of(column: str) -> str:
    """The column that names the currency of an amount."""
    return "base_currency" if column.endswith("_base") else "currency"


def amount_text(amount: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """Amounts, rounded to their currency's places before, as texts with exactly those places."""
    wanted = currency.replace_strict(dict(PLACES), return_dtype=pl.Int8)
    text = pl.lit(None, dtype=pl.String)
    for count in sorted(set(PLACES.values())):
        at_count = amount.cast(pl.Decimal(38, count)).cast(pl.String)
        text = pl.when(wanted == count).then(at_count).otherwise(text)
    return text


def shown(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its decimals as texts: amounts with their currency's places, others short."""
    return frame.with_columns(
        _decimal_text(name, kind).alias(name)
        for name, kind in frame.schema.items()
        if kind.is_decimal()
    )


def _decimal_text(name: str, kind: pl.DataType) -> pl.Expr:
    if kind == MONEY:
        return amount_text(pl.col(name), pl.col(currency_of(name)))
    text = pl.col(name).cast(pl.String)
    return text.str.strip_chars_end("0").str.strip_chars_end(".")


def totals(frame: pl.DataFrame, layout: Layout) -> Totals:
    """Control totals as texts: currency to total to amount with the currency's places."""
    sums = frame.group_by("currency").agg(
        pl.col(column).cast(MONEY).sum().alias(name) for name, column in layout.totals.items()
    )
    return {
        row["currency"]: {name: total_text(row[name], row["currency"]) for name in layout.totals}
        for row in sums.sort("currency").to_dicts()
    }


def total_text(amount: Decimal, currency: str) -> str:
    """A total with its currency's places; finer digits, which should not be there, are kept."""
    rounded = round_half_away(amount, places(currency))
    return format(rounded if rounded == amount else amount, "f")
