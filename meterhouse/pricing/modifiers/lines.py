"""The lines that modifiers make: what they are called, what they say, how they are rounded."""

from collections.abc import Callable
from decimal import Decimal

import polars as pl

from meterhouse.canonical_columns import array_of, day, short_sha256, string
from meterhouse.money import AMOUNT, QUANTITY, rounded
from meterhouse.pricing.steps import ZERO

# Takes an amount and gives it as it is billed: at the currency's places, or as it is.
Places = Callable[[pl.Expr], pl.Expr]
LINES: dict[str, pl.DataType | type[pl.DataType]] = {
    "window_id": pl.String,
    "based_on": pl.String,
    "item_id": pl.String,
    "component": pl.String,
    "dimensions": pl.String,
    "item_description": pl.String,
    "price_model": pl.String,
    "price": pl.String,
    "timing": pl.String,
    "window_start_on": pl.Date,
    "window_end_on": pl.Date,
    "due_on": pl.Date,
    "quantity": QUANTITY,
    "amount_unrounded": AMOUNT,
    "amount": AMOUNT,
    "steps": pl.String,
}
_NAMED = ("contract_id", "item_id", "component", "dimensions", "window_start_on", "window_end_on")


def to_places(amount: pl.Expr) -> pl.Expr:
    """As it is billed: half away from zero, to the places of the currency beside it."""
    return rounded(amount, pl.col("currency"))


def as_it_is(amount: pl.Expr) -> pl.Expr:
    """With all its places: for figures that are published so."""
    return amount.cast(AMOUNT)


def made(frame: pl.DataFrame, component: str, **columns: pl.Expr | str) -> pl.DataFrame:
    """The frame's rows as LINES of one component; lines of nothing are not lines.

    The frame has contract_id, `line_amount` and what LINES says; `columns` say the rest.
    """
    told = frame.with_columns(
        component=pl.lit(component),
        price_model=pl.lit(component),
        price=pl.lit(f'{{"model":"{component}"}}'),
        quantity=pl.lit(Decimal(1)).cast(QUANTITY),
        amount=pl.col("line_amount"),
        **columns,
    ).filter(pl.col("amount") != ZERO)
    if "amount_unrounded" not in told.columns:
        told = told.with_columns(amount_unrounded="amount")
    named = [day(pl.col(n)) if n.endswith("_on") else string(pl.col(n)) for n in _NAMED]
    ids = short_sha256(told.select(window_id=array_of(*named)).to_series())
    return told.with_columns(ids).select(
        (pl.col(name) if name in told.columns or name == "window_id" else pl.lit(None))
        .cast(kind)
        .alias(name)
        for name, kind in LINES.items()
    )


def nothing() -> pl.DataFrame:
    """No lines."""
    return pl.DataFrame(schema=LINES)
