"""Overage pricing: some units are included, each unit above them costs the same."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.pricing.steps import (
    EXACT,
    RATED,
    ZERO,
    billable,
    free_step,
    number,
    priced,
    spelled,
    text,
)

PRICE = dict.fromkeys(("included_units", "unit_amount"), pl.String)


def charge(quantity: Decimal, price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    with localcontext(EXACT):
        above = max(quantity - Decimal(price["included_units"]), ZERO)
        return above * Decimal(price["unit_amount"])


def rate(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (included units, then overage)."""
    return (
        priced(windows, PRICE)
        .select(
            "window_id",
            quantity=billable(),
            included=number("included_units"),
            unit=number("unit_amount"),
        )
        .with_columns(free=pl.min_horizontal("quantity", "included"))
        .with_columns(above=pl.col("quantity") - pl.col("free"))
        .with_columns(amount_unrounded=pl.col("above") * pl.col("unit"))
        .with_columns(
            steps=pl.format("[{}{}]", free_step(pl.col("free"), pl.col("included")), _step())
        )
        .select(RATED)
    )


def _step() -> pl.Expr:
    return spelled(
        "overage",
        amount=text(pl.col("amount_unrounded")),
        from_=text(pl.col("included")),
        quantity=text(pl.col("above")),
        to=None,
        unit_amount=text(pl.col("unit")),
    )
