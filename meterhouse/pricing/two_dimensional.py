"""Two-dimensional tiers: one quantity picks the tier, another one is priced in it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing import cells, inner, tiers
from meterhouse.pricing import parts as parts_of
from meterhouse.pricing.matrix import terms_of
from meterhouse.pricing.steps import EXACT, ZERO, Json, or_null, spelled, text

SELECTORS = ("tier_by", "price_by")


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    with localcontext(EXACT):
        by, priced = (selected(parts, price[name]) for name in SELECTORS)
        tier = tiers.holding(price["tiers"], max(by, ZERO))
        return inner.charge(priced, tier["price"])


def selected(parts: Sequence[Mapping[str, Any]], wanted: cells.Wanted) -> Decimal:
    """The units of all parts that fit."""
    units = (
        Decimal(part["quantity"])
        for part in parts
        if cells.fits(cells.read(part.get("keys", "{}")), wanted)
    )
    return sum(units, ZERO)


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one, of the tier it is in)."""
    numbers, prices = parts_of.documents(windows["price"])
    rows = parts_of.rows_of(windows, parts, numbers)
    wanted = [[price[name] for name in SELECTORS] for price in prices]
    by, priced = (
        sums(rows.join(cells.fitting(rows, wanted).filter(cell_no=number), on=["price_no", "keys"]))
        for number in (0, 1)
    )
    asked = (
        parts_of.placed(windows, numbers)
        .select("at", "price_no")
        .join(by.rename({"quantity": "by"}), on="at", how="left", maintain_order="left")
        .join(priced, on="at", how="left", maintain_order="left")
        .with_columns(pl.col("by", "quantity").fill_null(parts_of.NOUGHT))
        .with_columns(by=pl.max_horizontal("by", parts_of.NOUGHT))
        .join(_bounds(prices), on="price_no")
        .filter(
            (pl.col("by") > pl.col("above")) | (pl.col("tier_no") == 0),
            pl.col("up_to").is_null() | (pl.col("by") <= pl.col("up_to")),
        )
    )
    pieces = inner.rated(asked).with_columns(place=pl.lit(0), step=_step())
    return parts_of.gathered(windows, [pieces])


def sums(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per window that has any of the rows: at and quantity."""
    return rows.group_by("at").agg(pl.col("quantity").sum())


def _bounds(prices: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """One row per price and tier: above, up_to (null in the last) and its own price."""
    rows = []
    for price_no, price in enumerate(prices):
        above = ZERO
        for tier_no, tier in enumerate(price["tiers"]):
            is_last = tier_no == len(price["tiers"]) - 1
            bound = None if is_last else Decimal(tier["up_to"])
            rows.append((price_no, tier_no, above, bound, *terms_of(tier["price"])))
            above = bound or ZERO
    schema = {
        "price_no": pl.UInt32(),
        "tier_no": pl.Int64(),
        "above": AMOUNT,
        "up_to": AMOUNT,
        "inner_model": pl.String(),
        "inner": pl.String(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _step() -> pl.Expr:
    return spelled(
        "tier_by",
        amount=text(pl.col("amount")),
        from_=text(pl.col("above")),
        quantity=text(pl.col("quantity")),
        steps=Json(pl.col("steps")),
        tier_quantity=text(pl.col("by")),
        to=or_null(text(pl.col("up_to"))),
    )
