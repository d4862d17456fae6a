"""What every price model shares: exact arithmetic, quantities, and steps that explain an amount."""

from collections.abc import Mapping
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import NamedTuple

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


def parsed(
    prices: pl.Series, schema: Mapping[str, pl.DataType | type[pl.DataType]]
) -> pl.DataFrame:
    """One row per distinct price with its fields.

    Books have few prices and many windows: parsing the text of each window costs more than rating.
    """
    fields = pl.col("price").str.json_decode(pl.Struct(dict(schema)))
    return pl.DataFrame({"price": prices.unique()}).with_columns(parsed=fields).unnest("parsed")


def priced(
    windows: pl.DataFrame, schema: Mapping[str, pl.DataType | type[pl.DataType]]
) -> pl.DataFrame:
    """The windows in their order with the fields of their prices."""
    prices = parsed(windows["price"], schema)
    return windows.join(prices, on="price", how="left", maintain_order="left")


class Json(NamedTuple):
    """A field of a step that is JSON text already: null, or a text in quotes."""

    text: pl.Expr


def or_null(texts: pl.Expr) -> Json:
    """Texts that may be missing, of which none needs escaping."""
    return Json(pl.format('"{}"', texts).fill_null("null"))


def spelled(kind: str, **fields: pl.Expr | Json | str | None) -> pl.Expr:
    """One step as canonical JSON like `step`, in half its time: of texts that need no escaping.

    A field is a column of texts without nulls, JSON, a text, or None for a JSON null.
    """
    named = {**{name.rstrip("_"): value for name, value in fields.items()}, "step": kind}
    pieces: list[pl.Expr] = []
    literal = "{"
    for name in sorted(named):
        value = named[name]
        literal += f'"{name}":'
        if isinstance(value, pl.Expr):
            pieces += [pl.lit(literal + '"'), value]
            literal = '",'
        elif isinstance(value, Json):
            pieces += [pl.lit(literal), value.text]
            literal = ","
        else:
            literal += "null," if value is None else f'"{value}",'
    return pl.concat_str(*pieces, pl.lit(literal.rstrip(",") + "}"))


def free_step(free: pl.Expr, of: pl.Expr) -> pl.Expr:
    """The step of units that cost nothing with a comma after it, or no text where there are none.

    `free` units of this window out of the first `of` of a period.
    """
    told = spelled("free", amount="0", from_="0", quantity=text(free), to=text(of), unit_amount="0")
    return pl.when(free > 0).then(pl.format("{},", told)).otherwise(pl.lit(""))
