"""What every price model shares: exact arithmetic, quantities, and steps that explain an amount."""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

import polars as pl

from meterhouse.money import AMOUNT

ZERO = Decimal(0)
# Wide enough for any product of two DECIMAL(38); a digit that would be lost raises.
EXACT = Context(prec=96, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
RATED = ("window_id", "amount_unrounded", "steps")


def number(text: str) -> pl.Expr:
    """A column of decimal strings as Decimal(38, 18), wide enough that products are exact."""
    return pl.col(text).cast(AMOUNT)


def billable() -> pl.Expr:
    """The quantity as Decimal(38, 18); a negative one prices like nothing used."""
    quantity = pl.col("quantity").cast(AMOUNT)
    return pl.when(quantity > 0).then(quantity).otherwise(pl.lit(ZERO, dtype=AMOUNT))


def text(value: pl.Expr) -> pl.Expr:
    """Decimals in their shortest spelling: 7, 0.5."""
    padded = value.cast(AMOUNT).cast(pl.String)
    return padded.str.strip_chars_end("0").str.strip_chars_end(".")


def step(kind: str, **fields: pl.Expr) -> pl.Expr:
    """One step as canonical JSON: fields of strings in sorted order."""
    named = {**{name.rstrip("_"): value for name, value in fields.items()}, "step": pl.lit(kind)}
    return pl.struct([named[name].alias(name) for name in sorted(named)]).struct.json_encode()
