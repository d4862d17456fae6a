"""Periods that a change, a pause or a version divides: which windows are parts of one period.

What a part adds to its period is its quantity from here on: a meter that keeps the highest value
adds only what is above the highest so far. So all that follows may simply add up.
"""

import polars as pl

from meterhouse.money import AMOUNT, QUANTITY
from meterhouse.pricing.steps import ZERO

# The parts of one period of one item; its tiers go on for each combination of dimension values.
PERIOD = ("contract_id", "item_id", "meter_id", "period_start_on", "period_end_on")
POSITION = (*PERIOD, "dimensions")
# How the values of a meter make the value of all parts of a period, where one value can say it.
_ADDS = ("sum", "count", "weighted_sum", "prorated_sum", "prorated_unique_count")
_HIGHEST, _LOWEST, _LAST = "max", "min", "latest"
_NOUGHT = pl.lit(ZERO, dtype=AMOUNT)


def with_positions(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows in their order; where periods are divided with `nth` (place in the period from 0,
    null where nothing is divided), `earlier` (units of the parts before), `allowance_id` and
    `period_parts`, and as `quantity` what the part adds.

    Frames may say split_tiers (`restart`: each part alone), what their meter does, `aggregation`
    (null: its values add up), and `is_silent`: nothing was measured, so the value stays what it
    was. A frame without divided periods comes back as it is.
    """
    parts = windows.filter(_may_be_part())
    if parts.is_empty():
        return windows
    divided = parts.filter(pl.col("charge_id").n_unique().over(PERIOD) > 1)
    if divided.is_empty():
        return windows
    own = pl.col("quantity").cast(AMOUNT)
    so_far = _so_far(own, _aggregation(windows))
    placed = divided.sort(
        *PERIOD, "window_start_on", "charge_id", "dimensions", "window_id"
    ).select(
        "window_id",
        nth=pl.int_range(pl.len()).over(POSITION),
        allowance_id=pl.col("charge_id").first().over(PERIOD),
        so_far=so_far,
        earlier=so_far.shift(1).over(POSITION).fill_null(_NOUGHT),
    )
    added = (pl.col("so_far") - pl.col("earlier")).cast(QUANTITY)
    return (
        windows.join(placed, on="window_id", how="left", maintain_order="left")
        .with_columns(
            quantity=pl.when(pl.col("nth").is_not_null()).then(added).otherwise("quantity"),
            earlier=pl.col("earlier").fill_null(_NOUGHT),
            allowance_id=pl.coalesce("allowance_id", "charge_id"),
        )
        .drop("so_far")
    )


def _may_be_part() -> pl.Expr:
    whole = (pl.col("window_start_on") == pl.col("period_start_on")) & (
        pl.col("window_end_on") == pl.col("period_end_on")
    )
    return ~whole & (pl.col("component") == "usage") & goes_on()


def goes_on() -> pl.Expr:
    """Whether the parts of a period go on where those before them ended, if there are several.

    No one knows how often two parts counted the same user, or what two averages have in common.
    """
    is_asked = pl.col("split_tiers").fill_null("continue") == "continue"
    adds_up = pl.col("aggregation").is_null() | pl.col("aggregation").is_in(
        [*_ADDS, _HIGHEST, _LOWEST, _LAST]
    )
    return is_asked & adds_up


def _aggregation(windows: pl.DataFrame) -> frozenset[str]:
    return frozenset(windows["aggregation"].drop_nulls().unique().to_list())


def _so_far(own: pl.Expr, kinds: frozenset[str]) -> pl.Expr:
    """The value of the period up to each part."""
    total = own.cum_sum().over(POSITION)
    if not kinds & {_HIGHEST, _LOWEST, _LAST}:
        return total
    kind, heard = pl.col("aggregation"), pl.when(~pl.col("is_silent")).then(own)
    return (
        pl.when(kind == _HIGHEST)
        .then(heard.cum_max().forward_fill().over(POSITION))
        .when(kind == _LOWEST)
        .then(heard.cum_min().forward_fill().over(POSITION))
        .when(kind == _LAST)
        .then(heard.forward_fill().over(POSITION))
        .otherwise(total)
        .fill_null(_NOUGHT)
    )
