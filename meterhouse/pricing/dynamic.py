"""Dynamic pricing: the quantity is money that was measured, charged times a factor."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.pricing.steps import EXACT, RATED, ZERO, billable, number, priced, spelled, text

PRICE = {"multiplier": pl.String}


def charge(quantity: Decimal, price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    with localcontext(EXACT):
        return max(quantity, ZERO) * Decimal(price["multiplier"])


def rate(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps."""
    return (
        priced(windows, PRICE)
        .select("window_id", value=billable(), multiplier=number("multiplier"))
        .with_columns(amount_unrounded=pl.col("value") * pl.col("multiplier"))
        .with_columns(steps=pl.format("[{}]", _step()))
        .select(RATED)
    )


def _step() -> pl.Expr:
    return spelled(
        "dynamic",
        amount=text(pl.col("amount_unrounded")),
        from_="0",
        multiplier=text(pl.col("multiplier")),
        quantity=text(pl.col("value")),
        to=None,
    )
