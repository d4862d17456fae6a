"""Amounts rounded to the places that stand in a column beside them."""

from typing import Literal

import polars as pl

from meterhouse.money import AMOUNT


def rounded_at(
    amount: pl.Expr, places: pl.Expr, mode: Literal["half_up", "half_even"] = "half_up"
) -> pl.Expr:
    """Each amount at its row's places (0 to 18); half_up is away from zero, also below it."""
    how: Literal["half_to_even", "half_away_from_zero"]
    how = "half_to_even" if mode == "half_even" else "half_away_from_zero"
    result = pl.lit(None, dtype=AMOUNT)
    for count in range(19):
        at_count = amount.cast(AMOUNT).round(count, mode=how)
        result = pl.when(places == count).then(at_count).otherwise(result)
    return result.cast(AMOUNT)
