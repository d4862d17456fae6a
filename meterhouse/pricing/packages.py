"""Whole packages: how many a quantity fills, the started one counted or not."""

from decimal import Decimal, localcontext

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.steps import EXACT


def packages(units: pl.Expr, size: pl.Expr, *, up: bool) -> pl.Expr:
    """How many packages of `size` the units fill, as whole Decimal(38, 18)."""
    # The quotient is within 1E-18 of the truth, so its floor is at most one off.
    # exact: the products, which lose nothing, say whether and which way.
    guess = (units / size).floor()
    one = pl.lit(Decimal(1), dtype=AMOUNT)
    if up:
        short = guess * size < units
        over = (guess - one) * size >= units
    else:
        short = (guess + one) * size <= units
        over = guess * size > units
    return pl.when(short).then(guess + one).when(over).then(guess - one).otherwise(guess)


def count(units: Decimal, size: Decimal, *, up: bool) -> Decimal:
    """The same of one quantity, slow and obvious."""
    with localcontext(EXACT):
        whole = units // size
        return whole + 1 if up and whole * size < units else whole
