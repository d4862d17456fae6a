"""Capacity pricing: several units at once, the highest tier any of them reaches sets one amount."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing import cells
from meterhouse.pricing import parts as parts_of
from meterhouse.pricing.steps import ZERO, Json, spelled, text


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    units: dict[str | None, Decimal] = {}
    for part in parts:
        unit = cells.read(part.get("keys", "{}")).get(price["dimension"])
        units[unit] = units.get(unit, ZERO) + Decimal(part["quantity"])
    reached = [_reached(price["tiers"], unit, used) for unit, used in units.items()]
    return Decimal(price["tiers"][max(reached, default=0)]["amount"])


def _reached(tiers: Sequence[Mapping[str, Any]], unit: str | None, used: Decimal) -> int:
    """The number of the first tier whose limit holds what was used of a unit."""
    limits = [tier["limits"].get(unit) for tier in tiers]
    return next(n for n, limit in enumerate(limits) if limit is None or used <= Decimal(limit))


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one, and one for units without
    limits)."""
    numbers, prices = parts_of.documents(windows["price"])
    rows = parts_of.rows_of(windows, parts, numbers)
    units = [
        sorted({unit for tier in price["tiers"] for unit in tier["limits"]}) for price in prices
    ]
    wanted = [
        [{price["dimension"]: unit} for unit in own]
        for price, own in zip(prices, units, strict=True)
    ]
    used = (
        cells.chosen(rows, wanted)
        .group_by("at", "price_no", "cell_no")
        .agg(pl.col("quantity").sum(), keys=pl.col("keys").first())
    )
    highest = (
        used.join(_limits(prices, units), on=["price_no", "cell_no"])
        .filter(pl.col("quantity") > pl.col("limit"))
        .group_by("at", "cell_no", "quantity", "keys")
        .agg(tier_no=pl.len().cast(pl.Int64))
        .sort("tier_no", "cell_no", descending=[True, False])
        .unique("at", keep="first", maintain_order=True)
    )
    amounts = (
        parts_of.placed(windows, numbers)
        .select("at", "price_no")
        .join(highest, on="at", how="left")
        .with_columns(pl.col("tier_no").fill_null(0))
        .join(_amounts(prices), on=["price_no", "tier_no"])
        .with_columns(place=pl.lit(0), step=_step())
    )
    unknown = used.filter(pl.col("cell_no").is_null()).with_columns(
        amount=parts_of.NOUGHT, place=pl.lit(1), step=_unmatched()
    )
    return parts_of.gathered(windows, [amounts, unknown])


def _limits(prices: Sequence[Mapping[str, Any]], units: Sequence[Sequence[str]]) -> pl.DataFrame:
    """One row per price, unit (numbered as a cell) and limit of it."""
    rows = [
        (price_no, cell_no, Decimal(tier["limits"][unit]))
        for price_no, price in enumerate(prices)
        for cell_no, unit in enumerate(units[price_no])
        for tier in price["tiers"]
        if unit in tier["limits"]
    ]
    schema = {"price_no": pl.UInt32(), "cell_no": pl.Int64(), "limit": AMOUNT}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _amounts(prices: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    rows = [
        (price_no, tier_no, Decimal(tier["amount"]))
        for price_no, price in enumerate(prices)
        for tier_no, tier in enumerate(price["tiers"])
    ]
    schema = {"price_no": pl.UInt32(), "tier_no": pl.Int64(), "amount": AMOUNT}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _step() -> pl.Expr:
    """`keys` are those of the unit that reached the tier first; null in the first tier."""
    return spelled(
        "capacity",
        amount=text(pl.col("amount")),
        keys=Json(pl.col("keys").fill_null("null")),
        quantity=Json(pl.format('"{}"', text(pl.col("quantity"))).fill_null("null")),
        tier=(pl.col("tier_no") + 1).cast(pl.String),
    )


def _unmatched() -> pl.Expr:
    """Units that no tier limits: told, so that they are not free by mistake."""
    return spelled(
        "unmatched", amount="0", example=Json(pl.col("keys")), quantity=text(pl.col("quantity"))
    )
