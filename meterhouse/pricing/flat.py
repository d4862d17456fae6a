"""Flat pricing: a fixed quantity times an amount per full period, by days where a period is cut."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT, rounded
from meterhouse.pricing.steps import EXACT, RATED, ZERO, billable, number, step, text

PRICE = pl.Struct({"amount": pl.String})
CREDIT = ("credit_numerator", "credit_denominator", "credit_basis", "currency")
_QUOTIENT = Context(prec=96, rounding=ROUND_HALF_EVEN)


def charge(
    quantity: Decimal, price: Mapping[str, Any], days: int = 1, period_days: int = 1
) -> Decimal:
    """The charge at 18 places. Slow and obvious: tests hold `rate` to it."""
    with localcontext(EXACT):
        product = Decimal(price["amount"]) * max(quantity, ZERO) * days
    return _QUOTIENT.quantize(_QUOTIENT.divide(product, period_days), Decimal("1E-18"))


def rate(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps."""
    # Multiplied first, divided once: a rounded daily rate or factor loses cents. The quotient has
    # 18 places. With at most 15 decimals in amount x quantity and at most 366 days, it lies at
    # least 1/(366 x 10^15) = 2.7E-18 from any half cent it is not on, and its own rounding moves
    # it by 0.5E-18 at most, so rounding it again to the currency cannot go the wrong way.
    fee = number("amount") * pl.col("quantity")
    unrounded = fee * number("days") / number("period_days")  # exact: enough, as said above
    rated = (
        priced_windows(windows)
        .with_columns(amount_unrounded=unrounded.cast(AMOUNT))
        .with_columns(steps=pl.format("[{}]", _step()))
    )
    if "credit_numerator" in windows.columns and (windows["credit_numerator"] != 0).any():
        rated = less_unused(rated, fee)
    return rated.select(RATED)


def priced_windows(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows with the fields of their price and the part of the period that is charged."""
    if "share_numerator" in windows.columns:
        days, in_period = pl.col("share_numerator"), pl.col("share_denominator")
    else:
        days, in_period = charged_days(), _days("period_start_on", "period_end_on")
    credit = [c for c in CREDIT if c in windows.columns]
    return (
        windows.with_columns(pl.col("price").str.json_decode(PRICE).alias("parsed"))
        .select(
            "window_id", "parsed", *credit, quantity=billable(), days=days, period_days=in_period
        )
        .unnest("parsed")
    )


def less_unused(rated: pl.DataFrame, fee: pl.Expr) -> pl.DataFrame:
    """The fees without what a change leaves unused of them.

    Both are rounded as lines are: what was billed at the start of the period, less the unused part
    of it, is to the cent what a credit of that part leaves, whenever the change becomes known.
    """
    billed = rounded(pl.col("amount_unrounded"), pl.col("currency"))
    numerator, denominator = number("credit_numerator"), number("credit_denominator")
    # exact: one multiplication and one division at 18 places, as above.
    of_price = (fee * numerator / denominator).cast(AMOUNT)
    of_billed = (billed * numerator / number("days")).cast(AMOUNT)  # exact: as above
    is_same = pl.col("credit_denominator") == pl.col("period_days")
    of = (
        pl.when((pl.col("credit_basis") == "billed") & is_same & (pl.col("days") > 0))
        .then(of_billed)
        .otherwise(of_price)
    )
    is_cut = pl.col("credit_numerator") != 0
    unused = pl.min_horizontal(rounded(of, pl.col("currency")), billed)
    told = step(
        "unused",
        amount=text(-pl.col("unused")),
        days=text(pl.col("credit_numerator")),
        period_days=text(pl.col("credit_denominator")),
    )
    return (
        rated.with_columns(unused=unused, left=billed - unused)
        .with_columns(
            amount_unrounded=pl.when(is_cut).then("left").otherwise("amount_unrounded"),
            steps=pl.when(is_cut)
            .then(pl.format("[{}]", pl.concat_str(_inside(), told)))
            .otherwise("steps"),
        )
    )  # fmt: skip


def _inside() -> pl.Expr:
    """The steps so far without brackets, a comma after them where there are any."""
    inside = pl.col("steps").str.strip_prefix("[").str.strip_suffix("]")
    return pl.when(inside != "").then(pl.format("{},", inside)).otherwise(pl.lit(""))


def charged_days() -> pl.Expr:
    """The days of the period that are charged: a cut edge counts only where its proration is on."""
    start = pl.when("prorate_start").then("window_start_on").otherwise("period_start_on")
    end = pl.when("prorate_end").then("window_end_on").otherwise("period_end_on")
    return (end - start).dt.total_days()


def _days(start: str, end: str) -> pl.Expr:
    return (pl.col(end) - pl.col(start)).dt.total_days()


def _step() -> pl.Expr:
    return step(
        "flat",
        amount=text(pl.col("amount_unrounded")),
        days=text(pl.col("days")),
        from_=pl.lit("0"),
        period_days=text(pl.col("period_days")),
        quantity=text(pl.col("quantity")),
        to=pl.lit(None, dtype=pl.String),
        unit_amount=text(number("amount")),
    )
