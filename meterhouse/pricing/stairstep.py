"""Stairstep pricing: one amount, by the tier of the whole quantity."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.pricing import volume


def charge(quantity: Decimal, price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    return volume.charge(quantity, price, unit=None)


def rate(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one, of its stair)."""
    return volume.rate(windows, unit=None)
