"""Tiered basis points: values walk through the tiers in event order, and may be cut at a bound."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.pricing import bps, bulk_bps, per_event
from meterhouse.pricing.steps import EXACT, ZERO


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge of events in order. Slow and obvious: tests hold `rate` to it."""
    total = before = ZERO
    with localcontext(EXACT):
        for part in parts:
            after = before + max(Decimal(part["quantity"]), ZERO)
            above = ZERO
            for tier in price["tiers"]:
                is_last = tier is price["tiers"][-1]
                bound = max(after, above) if is_last else Decimal(tier["up_to"])
                total += bps.capped(min(after, bound) - max(before, above), tier)
                above = bound
            before = after
    return total


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (by tier)."""
    bounds = bulk_bps.rows_of(windows["price"])
    events = per_event.events(windows, parts, bulk_bps.prices_of(bounds))
    before, running = pl.col("running") - pl.col("value"), pl.col("running")
    slices = (
        events.with_columns(running=pl.col("value").cum_sum().over("at"))
        .join(bounds.drop("price"), on="price_no")
        # The lower bound is not in its tier and the upper one is; the cap holds in each tier.
        .filter(running > pl.col("above"), pl.col("up_to").is_null() | (before < pl.col("up_to")))
        .with_columns(
            value=pl.min_horizontal(running, "up_to") - pl.max_horizontal(before, "above")
        )
    )
    return per_event.rated(windows, slices)
