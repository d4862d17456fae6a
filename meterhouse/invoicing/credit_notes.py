"""Credit notes by hand: how much of each line of an invoice goes back, with its share of the tax.

What several notes take back of a line adds up to it to the cent: the last one takes what rounding
left.
"""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from meterhouse.invoicing.allocation import allocated
from meterhouse.invoicing.rounding import rounded_at
from meterhouse.money import AMOUNT

# One row per line of the invoice: `amount` and `tax` as it was issued, `credited` and
# `credited_tax` what earlier notes and corrections took back of it, all with the line's own sign;
# `places` of the currency.
CREDITABLE: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "line_no": pl.Int64,
        "amount": AMOUNT,
        "tax": AMOUNT,
        "credited": AMOUNT,
        "credited_tax": AMOUNT,
        "places": pl.Int64,
    }
)
_ZERO = pl.lit(0, dtype=AMOUNT)


def left() -> pl.Expr:
    """What of a line is not credited yet."""
    return (pl.col("amount") - pl.col("credited")).cast(AMOUNT)


def spread(lines: pl.DataFrame, amount: pl.Expr) -> pl.DataFrame:
    """The lines (CREDITABLE) with `asked`: a net amount spread over what is left of each of them.

    By largest remainder, so that the parts add up to the amount.
    """
    weighed = lines.with_columns(_amount=amount.cast(AMOUNT), weight=left(), _all=pl.lit(1))
    shared = allocated(weighed, by=["_all"], amount="_amount", into="asked")
    return shared.drop("_amount", "weight", "_all")


def faults(asked: pl.DataFrame) -> list[str]:
    """What cannot be credited, a sentence each; `asked` has the net that each line is to lose."""
    rest, wanted = left(), pl.col("asked")
    too_fine = wanted != rounded_at(wanted, pl.col("places"))
    # A line below zero, such as a discount, is taken back by an amount below zero.
    is_over = (wanted * rest.sign() < 0) | (wanted.abs() > rest.abs())
    text = wanted.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    rest_text = rest.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    over = asked.filter(is_over & (wanted != 0)).select(
        pl.format(
            "Line {} has {} left to credit, and {} was asked for.", "line_no", rest_text, text
        )
    )
    fine = asked.filter(too_fine).select(
        pl.format("Line {}: {} has more decimals than the currency.", "line_no", text)
    )
    return [*over.to_series().to_list(), *fine.to_series().to_list()]


def with_tax(asked: pl.DataFrame) -> pl.DataFrame:
    """The lines that are credited with `asked_tax`: their share of the line's tax.

    The tax of all that is credited of a line so far is rounded once; the note takes the rest of it.
    """
    so_far = (pl.col("credited") + pl.col("asked")).cast(AMOUNT)
    product = (so_far * pl.col("tax").cast(AMOUNT)).cast(AMOUNT)
    # Multiplied first and divided once: amounts have few decimals, so a quotient that is not on
    # exact: a half unit is farther from it than the 18th place moves it.
    share = rounded_at((product / pl.col("amount")).cast(AMOUNT), pl.col("places"))
    due = pl.when(so_far == pl.col("amount")).then(pl.col("tax")).otherwise(share)
    return asked.filter(pl.col("asked") != 0).with_columns(
        asked_tax=(due - pl.col("credited_tax")).cast(AMOUNT)
    )
