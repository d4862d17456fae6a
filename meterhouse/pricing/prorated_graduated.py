"""Prorated graduated: units move a level through the tiers, each for the part of the period left.

A part is a movement: signed units, and the part of the period that was left when they came. What
it moves inside a tier is priced there. Flats are those of the tiers that the highest level
reached, unprorated; a level that ends below 0 costs nothing.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import polars as pl

from meterhouse.pricing import parts as parts_of
from meterhouse.pricing import tiers
from meterhouse.pricing.prorated_volume import FIELDS, prorated, step, weighted
from meterhouse.pricing.steps import EXACT, ZERO


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The charge at 18 places. Slow and obvious: tests hold `rate` to it."""
    level = peak = above = total = ZERO
    levels = [ZERO]
    with localcontext(EXACT):
        for part in parts:
            level += Decimal(part["quantity"])
            levels.append(level)
        peak = max(levels)
        if level < 0:
            return ZERO
        for number, tier in enumerate(price["tiers"]):
            is_last = number == len(price["tiers"]) - 1
            upper = max(peak, above) if is_last else Decimal(tier["up_to"])
            ends = [min(max(one, above), upper) - above for one in levels]
            slices = [now - before for before, now in pairwise(ends)]
            unit = Decimal(tier["unit_amount"])
            total += weighted((s * unit, part) for s, part in zip(slices, parts, strict=True))
            if peak > above or (number == 0 and price["bill_flat_on_zero"]):
                total += Decimal(tier["flat_amount"])
            above = upper
    return total


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one per tier reached)."""
    bounds = tiers.exploded(windows["price"], FIELDS)
    numbers = bounds.filter(pl.col("tier_no") == 0).select("price", "price_no")
    level = pl.col("quantity").cum_sum().over("at")
    # The rows come in the order of the parts.
    rows = parts_of.rows_of(windows, parts, numbers).with_columns(level=level)
    levels = rows.group_by("at").agg(peak=pl.col("level").max(), final=pl.col("quantity").sum())
    reached = (
        parts_of.placed(windows, numbers)
        .select("at", "price_no")
        .join(levels, on="at", how="left", maintain_order="left")
        .with_columns(pl.col("peak", "final").fill_null(parts_of.NOUGHT))
        .with_columns(peak=pl.max_horizontal("peak", parts_of.NOUGHT))
        .filter(pl.col("final") >= 0)
        .join(bounds.drop("price"), on="price_no")
        .filter(
            (pl.col("peak") > pl.col("above"))
            | ((pl.col("tier_no") == 0) & pl.col("bill_flat_on_zero"))
        )
    )
    slices = rows.join(
        reached.select("at", "tier_no", "above", "up_to", "unit_amount"), on="at"
    ).with_columns(slice=_inside(pl.col("level")) - _inside(pl.col("level") - pl.col("quantity")))
    top = pl.min_horizontal("peak", "up_to")
    pieces = (
        reached.join(prorated(slices, ["at", "tier_no"]), on=["at", "tier_no"], how="left")
        .with_columns(pl.col("charged").fill_null(parts_of.NOUGHT))
        .with_columns(amount=pl.col("charged") + pl.col("flat_amount"), place="tier_no")
        .with_columns(step=step(top - pl.col("above")))
    )
    return parts_of.gathered(windows, [pieces])


def _inside(level: pl.Expr) -> pl.Expr:
    """A level cut to the bounds of the tier."""
    return pl.min_horizontal(pl.max_horizontal(level, "above"), "up_to")
