"""Package pricing: units are sold in packages, some units may be free."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.pricing.packages import count, packages
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

PRICE = dict.fromkeys(("package_size", "package_amount", "free_units", "rounding"), pl.String)


def charge(quantity: Decimal, price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    with localcontext(EXACT):
        units = max(max(quantity, ZERO) - Decimal(price["free_units"]), ZERO)
        filled = count(units, Decimal(price["package_size"]), up=price["rounding"] == "up")
        return filled * Decimal(price["package_amount"])


def rate(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (free units, then packages)."""
    units, size = pl.col("quantity") - pl.col("free"), pl.col("size")
    filled = (
        pl.when(pl.col("rounding") == "up")
        .then(packages(units, size, up=True))
        .otherwise(packages(units, size, up=False))
    )
    return (
        priced(windows, PRICE)
        .select(
            "window_id",
            "rounding",
            quantity=billable(),
            size=number("package_size"),
            package_amount=number("package_amount"),
            free_units=number("free_units"),
        )
        .with_columns(free=pl.min_horizontal("quantity", "free_units"))
        .with_columns(packages=filled)
        .with_columns(amount_unrounded=pl.col("packages") * pl.col("package_amount"))
        .with_columns(
            steps=pl.format("[{}{}]", free_step(pl.col("free"), pl.col("free_units")), _step())
        )
        .select(RATED)
    )


def _step() -> pl.Expr:
    return spelled(
        "package",
        amount=text(pl.col("amount_unrounded")),
        from_=text(pl.col("free_units")),
        package_amount=text(pl.col("package_amount")),
        package_size=text(pl.col("size")),
        packages=text(pl.col("packages")),
        quantity=text(pl.col("quantity") - pl.col("free")),
        rounding=pl.col("rounding"),
        to=None,
    )
