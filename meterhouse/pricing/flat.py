"""Flat pricing: a fixed quantity times an amount per full period, by days where a period is cut."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.steps import EXACT, RATED, ZERO, billable, number, step, text

PRICE = pl.Struct({"amount": pl.String})
_QUOTIENT = Context(prec=96, rounding=ROUND_HALF_EVEN)


def charge(
    quantity: Decimal, price: Mapping[str, Any], days: int = 1, period_days: int = 1
) -> Decimal:
    """The charge at 18 places. Slow and obvious: tests hold `rate` to it."""
    with localcontext(EXACT):
        product = Decimal(price["amount"]) * max(quantity, ZERO) * days
    return _QUOTIENT.quantize(_QUOTIENT.divide(product, period_days), Decimal("1E-18"))


def rate(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps."""
    # Multiplied first, divided once: a rounded daily rate or factor loses cents. The quotient has
    # 18 places. With at most 15 decimals in amount x quantity and at most 366 days, it lies at
    # least 1/(366 x 10^15) = 2.7E-18 from any half cent it is not on, and its own rounding moves
    # it by 0.5E-18 at most, so rounding it again to the currency cannot go the wrong way.
    product = number("amount") * pl.col("quantity") * number("days")
    unrounded = product / number("period_days")  # exact: enough for the rounding, as said above
    return (
        windows.with_columns(pl.col("price").str.json_decode(PRICE).alias("parsed"))
        .select(
            "window_id",
            "parsed",
            quantity=billable(),
            days=charged_days(),
            period_days=_days("period_start_on", "period_end_on"),
        )
        .unnest("parsed")
        .with_columns(amount_unrounded=unrounded.cast(AMOUNT))
        .with_columns(steps=pl.format("[{}]", _step()))
        .select(RATED)
    )


def charged_days() -> pl.Expr:
    """The days of the period that are charged: a cut edge counts only where its proration is on."""
    start = pl.when("prorate_start").then("window_start_on").otherwise("period_start_on")
    end = pl.when("prorate_end").then("window_end_on").otherwise("period_end_on")
    return (end - start).dt.total_days()


def _days(start: str, end: str) -> pl.Expr:
    return (pl.col(end) - pl.col(start)).dt.total_days()


def _step() -> pl.Expr:
    return step(
        "flat",
        amount=text(pl.col("amount_unrounded")),
        days=text(pl.col("days")),
        from_=pl.lit("0"),
        period_days=text(pl.col("period_days")),
        quantity=text(pl.col("quantity")),
        to=pl.lit(None, dtype=pl.String),
        unit_amount=text(number("amount")),
    )
