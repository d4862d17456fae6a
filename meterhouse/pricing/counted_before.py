"""Periods that the cut-over divides: what the system before counted of them comes first.

The period goes on as if a window of it had counted so much: tiers, free and included units, minima
and maxima of the item go on from there. No line is made of that window: it was billed before.
"""

import polars as pl

from meterhouse.money import QUANTITY

COLUMN = "counted_before"
_PREFIX = "before|"
_PERIOD = ("contract_id", "item_id", "meter_id", "period_start_on", "period_end_on")


def with_counted_before(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows, and for each period of which `counted_before` says a quantity one window more,
    from its first day to where the first of its windows begins."""
    if COLUMN not in windows.columns:
        return windows
    told = windows.filter(
        pl.col(COLUMN).is_not_null() & (pl.col("component") == "usage")
    ).sort(*_PERIOD, "window_start_on", "window_id")  # fmt: skip
    rest = windows.drop(COLUMN)
    if told.is_empty():
        return rest
    first = told.with_columns(charged=_charged(told.columns)).unique(
        _PERIOD, keep="first", maintain_order=True
    )
    begins = pl.col("window_start_on")
    before = first.filter(begins > pl.col("period_start_on")).with_columns(
        _share(first.columns),
        window_id=pl.format(f"{_PREFIX}{{}}", "window_id"),
        charge_id=pl.format(f"{_PREFIX}{{}}", "charge_id"),
        quantity=pl.col(COLUMN).cast(QUANTITY),
        window_end_on=begins,
        is_period_last=pl.lit(value=False),
        is_silent=pl.lit(value=False),
        window_start_on=pl.col("period_start_on"),
    )
    return pl.concat([before.select(rest.columns), rest])


def is_before(column: str) -> pl.Expr:
    """Whether the window named in a column is one that was billed before."""
    return pl.col(column).str.starts_with(_PREFIX).fill_null(value=False)


def _charged(columns: list[str]) -> pl.Expr:
    """What the windows of a period are charged of it, as a numerator."""
    if "share_numerator" not in columns:
        return pl.lit(0, pl.Int64)
    return pl.col("share_numerator").sum().over(_PERIOD)


def _share(columns: list[str]) -> list[pl.Expr]:
    """The rest of the period was charged before."""
    if "share_numerator" not in columns:
        return []
    rest = pl.col("share_denominator") - pl.col("charged")
    return [rest.clip(0).cast(pl.Int64).alias("share_numerator")]
