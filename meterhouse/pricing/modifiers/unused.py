"""What goes back of a cut fee is a part of what was billed for it, net of its discounts."""

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.modifiers.lines import Places
from meterhouse.pricing.modifiers.terms import zero

# As the step of a cut fee tells it; see pricing/flat.py.
_TOLD = r'"amount":"-([0-9.]+)","days":"[0-9]+","period_days":"[0-9]+","step":"unused"'
PART = ("credit_numerator", "credit_denominator", "share_numerator", "share_denominator")


def with_unused(windows: pl.DataFrame) -> pl.DataFrame:
    """The rated windows, which have `steps`, with `unused`: what they gave back, as an amount."""
    if "credit_numerator" not in windows.columns:
        return windows.with_columns(unused=zero())
    told = pl.col("steps").str.extract(_TOLD).cast(AMOUNT).fill_null(zero())
    is_cut = pl.col("credit_numerator") != 0
    return windows.with_columns(unused=pl.when(is_cut).then(told).otherwise(zero()))


def kept(took: pl.Expr, columns: list[str], places: Places) -> pl.Expr:
    """What is kept of a discount on `net` + `unused`, which is what was billed before the cut.

    The unused part of what was billed less the discount goes back, not that of the price: so the
    discount is smaller by what less goes back.
    """
    if not set(PART).issubset(columns):
        return took
    before = pl.col("net") + pl.col("unused")
    fewer = _back(before, places) - _back(before - took, places)
    is_cut = pl.col("unused") != 0
    return pl.when(is_cut).then(pl.min_horizontal(took - fewer, "net")).otherwise(took)


def _back(billed: pl.Expr, places: Places) -> pl.Expr:
    """The part of what was billed that was unused."""
    credit, of_credit, told, of_share = (pl.col(name).cast(AMOUNT) for name in PART)
    # Nothing was charged of a share of nothing; the column is divided by all the same.
    share = pl.when(told > 0).then(told).otherwise(pl.lit(1).cast(AMOUNT))
    # Multiplied first, at 18 places; two divisions only where the two parts are counted in
    # different days, of which one is then the whole period.
    same = billed * credit / share  # exact: as said above
    other = billed * credit / of_credit * of_share / share  # exact: as said above
    part = pl.when(pl.col(PART[1]) == pl.col(PART[3])).then(same).otherwise(other)
    return places(pl.when(pl.col(PART[2]) > 0).then(part).otherwise(zero()).cast(AMOUNT))
