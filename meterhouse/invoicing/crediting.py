"""Invoices paid from grants: lines by promotional credit before tax, totals by paid credit after.

What each grant pays is decided in `meterhouse/entitlements`; here amounts of invoices become uses.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from meterhouse.entitlements import drawdown
from meterhouse.money import AMOUNT
from meterhouse.periods import INSTANT

# One row per line in the order in which credit is used: `amount` is rounded and less its discounts,
# `at` the instant at which a grant must hold (the first of what is charged).
CREDITED: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "document_id": pl.String,
        "line_no": pl.Int64,
        "customer_id": pl.String,
        "currency": pl.String,
        "item_id": pl.String,
        "at": INSTANT,
        "amount": AMOUNT,
    }
)
_LINE = ("document_id", "line_no")


class Credited(NamedTuple):
    """`lines` with `credit`; `burned`: one row per grant and line (and segment of time) that it
    paid, with `quantity` in the currency; `balances`: one row per grant."""

    lines: pl.DataFrame
    burned: pl.DataFrame
    balances: pl.DataFrame


def credited(lines: pl.DataFrame, grants: pl.DataFrame, as_of: datetime) -> Credited:
    """The lines (CREDITED) and what promotional grants (GRANTS of kind promo) pay of them.

    A line below zero uses nothing; no line is paid beyond its amount.
    """
    return _drawn(lines, grants.filter(pl.col("kind") == "promo"), as_of)


def paid(totals: pl.DataFrame, grants: pl.DataFrame, as_of: datetime) -> Credited:
    """The totals after tax (CREDITED, one line for each document) and what paid grants pay of them.

    A grant that is for some items pays no totals.
    """
    return _drawn(totals, grants.filter(pl.col("kind") == "paid"), as_of)


def _drawn(lines: pl.DataFrame, grants: pl.DataFrame, as_of: datetime) -> Credited:
    ordered = lines.sort("at", *_LINE).with_row_index("use_no")
    uses = ordered.select(
        "customer_id",
        use_id=pl.col("use_no").cast(pl.String),
        use_no=pl.col("use_no").cast(pl.Int64),
        item_id="item_id",
        unit="currency",
        at="at",
        quantity=pl.max_horizontal(pl.col("amount").cast(AMOUNT), pl.lit(0, dtype=AMOUNT)),
    )
    drawn = drawdown.draw(grants, uses, as_of)
    named = ordered.select(*_LINE, use_id=pl.col("use_no").cast(pl.String))
    burned = drawn.burned.join(named, on="use_id", how="left", maintain_order="left")
    sums = burned.group_by(_LINE).agg(credit=pl.col("quantity").sum())
    told = lines.join(sums, on=_LINE, how="left", maintain_order="left")
    credit = pl.col("credit").fill_null(pl.lit(0, dtype=AMOUNT))
    return Credited(told.with_columns(credit=credit), burned.drop("use_id"), drawn.balances)
