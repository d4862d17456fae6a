"""Graduated pricing: every unit costs what its own tier says, and a tier reached adds its flat."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing import tiers
from meterhouse.pricing.steps import EXACT, RATED, ZERO

# More than any invoice. A closed tier that could cost more has no sum, so a window beyond it is
# refused; without this a bound as good as endless would overflow in windows far below it.
_MOST = pl.lit(Decimal(10) ** 17, dtype=AMOUNT)
_NOUGHT = pl.lit(ZERO, dtype=AMOUNT)


def charge(quantity: Decimal, price: Mapping[str, Any], unit: str = tiers.UNIT) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    total, above = ZERO, ZERO
    with localcontext(EXACT):
        if quantity == 0 and price["bill_flat_on_zero"]:
            return tiers.charged(price["tiers"][0], ZERO, unit)
        for tier in price["tiers"]:
            if quantity <= above:
                break
            is_last = tier is price["tiers"][-1]
            ceiling = quantity if is_last else min(quantity, Decimal(tier["up_to"]))
            total += tiers.charged(tier, ceiling - above, unit)
            above = ceiling
    return total


def rate(windows: pl.DataFrame, unit: str = tiers.UNIT) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one per tier reached)."""
    units = pl.col("quantity") - pl.col("above")
    reached = (pl.col("asked") > 0) | ((pl.col("asked") == 0) & pl.col("bill_flat_on_zero"))
    # Tiers that are full cost the same in every window: only the last one reached is new.
    return (
        tiers.placed(windows, summed(tiers.table(windows["price"], unit)))
        .with_columns(amount=tiers.cost(units))
        .with_columns(step=tiers.step(pl.col("amount"), units))
        .with_columns(
            amount_unrounded=pl.when(reached)
            .then(pl.col("before") + pl.col("amount"))
            .otherwise(_NOUGHT),
            steps=pl.when(reached)
            .then(pl.concat_str(pl.lit("["), "steps_before", "step", pl.lit("]")))
            .otherwise(pl.lit("[]")),
        )
        .select(RATED)
    )


def summed(rows: pl.DataFrame) -> pl.DataFrame:
    """The tiers with what those below cost when full: amount `before` and text `steps_before`."""
    full = (
        rows.with_columns(units=pl.when(_fits()).then(pl.col("up_to") - pl.col("above")))
        .with_columns(full=tiers.cost(pl.col("units")))
        .with_columns(full_step=tiers.step(pl.col("full"), pl.col("units")))
    )
    all_steps = full.group_by("price_no").agg(all_steps=pl.format("{},", "full_step"))
    below = pl.col("full").shift(fill_value=ZERO)
    return (
        full.join(all_steps, on="price_no", how="left", maintain_order="left")
        .with_columns(
            before=pl.when(below.is_null().cum_sum() == 0).then(below.cum_sum()).over("price_no"),
            steps_before=pl.col("all_steps").list.head("tier_no").list.join(""),
        )
        .drop("units", "full", "full_step", "all_steps")
    )


def _fits() -> pl.Expr:
    """Whether the full tier costs less than _MOST, or nearly: only a guard, not an amount."""
    one = pl.lit(Decimal(1), dtype=AMOUNT)
    dear = pl.max_horizontal("unit", "package_amount", one)
    # exact: both sides are far from any amount that is billed.
    return pl.col("up_to") - pl.col("above") <= _MOST / dear * pl.min_horizontal(
        "package_size", one
    )
