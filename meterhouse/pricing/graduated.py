"""Graduated pricing: every unit costs what its own tier says, and a tier reached adds its flat."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.steps import EXACT, RATED, ZERO, billable, number, step, text

PRICE = pl.Struct(
    {
        "bill_flat_on_zero": pl.Boolean,
        "tiers": pl.List(
            pl.Struct({"up_to": pl.String, "unit_amount": pl.String, "flat_amount": pl.String})
        ),
    }
)


def charge(quantity: Decimal, price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    total, above = ZERO, ZERO
    tiers = price["tiers"]
    with localcontext(EXACT):
        if quantity == 0 and price["bill_flat_on_zero"]:
            return Decimal(tiers[0]["flat_amount"])
        for tier in tiers:
            if quantity <= above:
                break
            is_last = tier is tiers[-1]
            ceiling = quantity if is_last else min(quantity, Decimal(tier["up_to"]))
            total += (ceiling - above) * Decimal(tier["unit_amount"]) + Decimal(tier["flat_amount"])
            above = ceiling
    return total


def tiers(prices: pl.Series) -> pl.DataFrame:
    """One row per price and tier: units above `above` and up to `up_to` (in), null in the last."""
    rows = (
        pl.DataFrame({"price": prices.unique()})
        .with_columns(pl.col("price").str.json_decode(PRICE).alias("parsed"))
        .unnest("parsed")
        .explode("tiers", empty_as_null=False, keep_nulls=False)
        .unnest("tiers")
        .with_columns(
            number("up_to"),
            number("unit_amount"),
            number("flat_amount"),
            tier_no=pl.int_range(pl.len()).over("price"),
            is_last=pl.int_range(pl.len()).over("price") == pl.len().over("price") - 1,
        )
    )
    zero = pl.lit(ZERO, dtype=AMOUNT)
    # The last tier is open even if a bound was written: usage beyond it must never cost nothing.
    return rows.with_columns(
        above=pl.col("up_to").shift().over("price", order_by="tier_no").fill_null(zero),
        up_to=pl.when(~pl.col("is_last")).then("up_to"),
    )


def rate(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one per tier reached)."""
    quantity = pl.col("quantity")
    opens_at_zero = (pl.col("asked") == 0) & (pl.col("tier_no") == 0) & pl.col("bill_flat_on_zero")
    reached = (
        windows.select("window_id", "price", asked="quantity", quantity=billable())
        .join(tiers(windows["price"]), on="price")
        .filter((quantity > pl.col("above")) | opens_at_zero)
        .with_columns(units=pl.min_horizontal(quantity, "up_to") - pl.col("above"))
        .with_columns(amount=pl.col("units") * pl.col("unit_amount") + pl.col("flat_amount"))
    )
    summed = (
        reached.with_columns(step=_step())
        .group_by("window_id")
        .agg(
            amount_unrounded=pl.col("amount").sum(),
            steps=pl.col("step").sort_by("tier_no").str.join(","),
        )
    )
    return (
        windows.select("window_id")
        .join(summed, on="window_id", how="left")
        .with_columns(
            pl.col("amount_unrounded").fill_null(pl.lit(ZERO, dtype=AMOUNT)),
            steps=pl.format("[{}]", pl.col("steps").fill_null("")),
        )
        .select(RATED)
    )


def _step() -> pl.Expr:
    return step(
        "tier",
        amount=text(pl.col("amount")),
        flat_amount=text(pl.col("flat_amount")),
        from_=text(pl.col("above")),
        quantity=text(pl.col("units")),
        to=text(pl.col("up_to")),
        unit_amount=text(pl.col("unit_amount")),
    )
