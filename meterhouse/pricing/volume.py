"""Volume pricing: all units cost what the tier of the whole quantity says, and its flat once."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing import tiers
from meterhouse.pricing.steps import EXACT, RATED, ZERO


def charge(quantity: Decimal, price: Mapping[str, Any], unit: str | None = tiers.UNIT) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    if quantity < 0 or (quantity == 0 and not price["bill_flat_on_zero"]):
        return ZERO
    with localcontext(EXACT):
        return tiers.charged(tiers.holding(price["tiers"], quantity), quantity, unit)


def rate(windows: pl.DataFrame, unit: str | None = tiers.UNIT) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one, of the tier it lies in)."""
    units = pl.col("quantity")
    # A part of a period is in the tier of the period so far.
    by = units if "tier_quantity" not in windows.columns else pl.coalesce("tier_quantity", units)
    charged = (pl.col("asked") > 0) | ((pl.col("asked") == 0) & pl.col("bill_flat_on_zero"))
    return (
        tiers.placed(windows, tiers.table(windows["price"], unit), by)
        .with_columns(amount=tiers.cost(units))
        .with_columns(step=tiers.step(pl.col("amount"), units))
        .with_columns(
            amount_unrounded=pl.when(charged).then("amount").otherwise(pl.lit(ZERO, dtype=AMOUNT)),
            steps=pl.when(charged).then(pl.format("[{}]", "step")).otherwise(pl.lit("[]")),
        )
        .select(RATED)
    )
