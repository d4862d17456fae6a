"""Per-unit pricing: all units cost the same; a price may be written for a power of ten of them."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.pricing.steps import EXACT, RATED, ZERO, billable, number, priced, spelled, text

PRICE = {"unit_amount": pl.String, "per": pl.String}


def charge(quantity: Decimal, price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    with localcontext(EXACT):
        # exact: `per` is a power of ten, and the context raises if a digit were lost.
        unit = Decimal(price["unit_amount"]) / Decimal(price["per"])
        return max(quantity, ZERO) * unit


def rate(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps."""
    # exact: the door lets at most 12 decimals through after dividing by `per`.
    unit = number("unit_amount") / number("per")
    return (
        priced(windows, PRICE)
        .select("window_id", quantity=billable(), unit=unit)
        .with_columns(amount_unrounded=pl.col("quantity") * pl.col("unit"))
        .with_columns(steps=pl.format("[{}]", _step()))
        .select(RATED)
    )


def _step() -> pl.Expr:
    return spelled(
        "unit",
        amount=text(pl.col("amount_unrounded")),
        from_="0",
        quantity=text(pl.col("quantity")),
        to=None,
        unit_amount=text(pl.col("unit")),
    )
