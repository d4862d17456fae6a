"""The share of a full period that a window is: what is given for a period is cut by it."""

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.flat import charged_days


def with_share(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows with share_numerator and share_denominator; by days where nothing says more."""
    if "share_numerator" in windows.columns:
        return windows
    days = (pl.col("period_end_on") - pl.col("period_start_on")).dt.total_days()
    return windows.with_columns(share_numerator=charged_days(), share_denominator=days)


def part(amount: pl.Expr, prorate: pl.Expr) -> pl.Expr:
    """The window's part of what is given for a full period, or all of it."""
    numerator = pl.col("share_numerator").cast(AMOUNT)
    denominator = pl.col("share_denominator").cast(AMOUNT)
    # exact: one multiplication, then one division at 18 places; amounts have at most 12 decimals.
    cut = amount * numerator / denominator
    return pl.when(prorate & (numerator != denominator)).then(cut).otherwise(amount)


def text() -> pl.Expr:
    """The share as it is told in steps: 17/31."""
    return pl.format("{}/{}", "share_numerator", "share_denominator")
