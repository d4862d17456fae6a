"""Bucketed pricing: each bucket of time is priced alone, and the prices are added."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.pricing import inner
from meterhouse.pricing import parts as parts_of
from meterhouse.pricing.matrix import terms_of
from meterhouse.pricing.steps import EXACT, ZERO, Json, spelled, text


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    with localcontext(EXACT):
        own = (inner.charge(Decimal(part["quantity"]), price["price"]) for part in parts)
        return sum(own, ZERO)


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one per bucket)."""
    numbers, prices = parts_of.documents(windows["price"])
    terms = pl.DataFrame(
        [(number, *terms_of(price["price"])) for number, price in enumerate(prices)],
        schema={"price_no": pl.UInt32, "inner_model": pl.String, "inner": pl.String},
        orient="row",
    )
    rows = parts_of.rows_of(windows, parts, numbers).join(terms, on="price_no")
    buckets = inner.rated(rows).with_columns(place="part_no", step=_step())
    return parts_of.gathered(windows, [buckets])


def _step() -> pl.Expr:
    return spelled(
        "bucket",
        amount=text(pl.col("amount")),
        keys=Json(pl.col("keys")),
        quantity=text(pl.col("quantity")),
        steps=Json(pl.col("steps")),
    )
