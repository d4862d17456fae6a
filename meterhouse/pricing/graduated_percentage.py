"""Graduated percentage: of measured money, each part is charged the rate of its own tier."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.pricing import graduated, tiers


def charge(quantity: Decimal, price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rate` to it."""
    return graduated.charge(quantity, price, unit=tiers.RATE)


def rate(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (one per tier reached)."""
    return graduated.rate(windows, unit=tiers.RATE)
