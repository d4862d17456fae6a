"""Bulk basis points: the period's whole value picks the rate and the cap of all its events."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.pricing import bps, per_event, tiers
from meterhouse.pricing.steps import EXACT, ZERO

FIELDS = ("bps", "per_event_cap")


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge of events. Slow and obvious: tests hold `rate` to it."""
    values = [max(Decimal(part["quantity"]), ZERO) for part in parts]
    with localcontext(EXACT):
        tier = tiers.holding(price["tiers"], sum(values, ZERO))
        return sum((bps.capped(value, tier) for value in values), ZERO)


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps."""
    bounds = rows_of(windows["price"])
    events = per_event.events(windows, parts, prices_of(bounds))
    totals = events.group_by("at").agg(pl.col("price_no").first(), total=pl.col("value").sum())
    if "tier_quantity" in windows.columns:
        # A part of a period is in the tier of the period so far.
        reached = windows.with_row_index("at").select("at", "tier_quantity")
        totals = totals.join(reached, on="at").with_columns(
            total=pl.coalesce("tier_quantity", "total")
        )
    total = pl.col("total")
    picked = totals.join(bounds, on="price_no").filter(
        (total > pl.col("above")) | (pl.col("tier_no") == 0),
        pl.col("up_to").is_null() | (total <= pl.col("up_to")),
    )
    terms = picked.select("at", "rate", "high", "above", "up_to")
    return per_event.rated(windows, events.join(terms, on="at", how="left"))


def rows_of(prices: pl.Series) -> pl.DataFrame:
    """One row per distinct price and tier, with what per_event charges by."""
    return tiers.exploded(prices, FIELDS).with_columns(
        rate=bps.in_one(pl.col("bps")), high="per_event_cap"
    )


def prices_of(bounds: pl.DataFrame) -> pl.DataFrame:
    """One row per distinct price: whether any of its tiers has a cap, so that events are needed."""
    return bounds.group_by("price", "price_no").agg(reads=pl.col("high").is_not_null().any())
