"""Tax of invoice lines from given rates: per rate of the whole invoice or line by line.

Which rate holds for a line is not decided here.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Literal, NamedTuple

import polars as pl

from meterhouse.invoicing.allocation import allocated
from meterhouse.invoicing.rounding import rounded_at
from meterhouse.money import AMOUNT

# One row per line and rate, in the order `tax_no`. `amount` is the line less its discounts; `rate`
# a fraction (0.2 is 20 %). A compound rate is also due on the taxes before it; `is_inclusive` says
# that the line's amount already holds all its taxes.
TAXED: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "document_id": pl.String,
        "line_no": pl.Int64,
        "tax_no": pl.Int64,
        "tax_id": pl.String,
        "amount": AMOUNT,
        "rate": AMOUNT,
        "is_compound": pl.Boolean,
        "is_inclusive": pl.Boolean,
        "places": pl.Int64,
    }
)
_LINE = ("document_id", "line_no")
# What is rounded once; a rate that is compound on other taxes for some lines is two of them.
_KEY = (
    *("document_id", "tax_no", "tax_id", "rate", "is_compound", "is_inclusive"),
    *("effective", "all_rates", "places"),
)
_ZERO = pl.lit(0, dtype=AMOUNT)


class Options(NamedTuple):
    """How tax is rounded.

    `rounding`: once per rate of an invoice, once for the whole invoice (its rates get their parts
    of that by largest remainder), or on each line. `shares`: how the tax of an invoice is told by
    line: allocated, so that the lines add up to it, or each line's own rounded tax.
    """

    rounding: Literal["invoice_per_rate", "invoice", "line"] = "invoice_per_rate"
    mode: Literal["half_up", "half_even"] = "half_up"
    shares: Literal["allocated", "own"] = "allocated"


class Taxes(NamedTuple):
    """`rates`: one row per invoice and rate with `base`, the lines it is due on (less the tax that
    they hold), and `tax`; `lines`: one row per line and rate with `tax`."""

    rates: pl.DataFrame
    lines: pl.DataFrame


def taxed(rows: pl.DataFrame, options: Options = Options()) -> Taxes:  # noqa: B008
    """The taxes of the rows (TAXED)."""
    due = _effective(rows)
    is_whole = options.rounding != "line"
    told = _per_rate(due, options) if is_whole else due.with_columns(tax=_own(options))
    held = pl.col("tax").sum().over(_LINE)
    net = pl.col("amount").cast(AMOUNT) - pl.when("is_inclusive").then(held).otherwise(_ZERO)
    total = pl.col("rate_tax").first() if is_whole else pl.col("tax").sum()
    rates = (
        told.with_columns(net=net)
        .group_by(_KEY, maintain_order=True)
        .agg(base=pl.col("net").sum(), tax=total)
        .sort("document_id", "tax_no", "tax_id", "effective")
    )
    return Taxes(rates, told.select(*_LINE, "tax_no", "tax_id", "tax"))


def _effective(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `effective`, the rate on the line itself, and `all_rates`, their sum."""
    sorted_rows = rows.sort(*_LINE, "tax_no", "tax_id").with_columns(
        _n=pl.int_range(pl.len()).over(_LINE), rate=pl.col("rate").cast(AMOUNT)
    )
    # 1 + what is due before a rate; a round is one rate of every line, and lines have few.
    before = sorted_rows.with_columns(effective=_ZERO)
    for number in range(int(sorted_rows.select(pl.col("_n").max()).item() or 0) + 1):
        above = 1 + pl.col("effective").sum().over(_LINE)
        rate = pl.when("is_compound").then(pl.col("rate") * above).otherwise("rate")
        chosen = pl.when(pl.col("_n") == number).then(rate).otherwise("effective")
        before = before.with_columns(effective=chosen.cast(AMOUNT))
    return before.with_columns(all_rates=pl.col("effective").sum().over(_LINE)).drop("_n")


def _exact(amount: pl.Expr) -> pl.Expr:
    """The tax of an amount before rounding; of an inclusive one its part."""
    product = amount.cast(AMOUNT) * pl.col("effective")
    # Multiplied first and divided once: 1 + rates has few decimals, so a quotient that is not on
    # exact: a half unit is farther from it than the 18th place moves it.
    part = product / (1 + pl.col("all_rates"))
    return pl.when("is_inclusive").then(part).otherwise(product).cast(AMOUNT)


def _own(options: Options) -> pl.Expr:
    """The rounded tax of a line alone."""
    return rounded_at(_exact(pl.col("amount")), pl.col("places"), options.mode)


def _per_rate(due: pl.DataFrame, options: Options) -> pl.DataFrame:
    """Lines with the tax of their invoice's rate, rounded once, and their own part of it."""
    exact = _exact(pl.col("amount").cast(AMOUNT).sum().over(_KEY))
    known = due.with_columns(rate_exact=exact, own_exact=_exact(pl.col("amount")))
    taxes = _rate_taxes(known, options)
    rounded = known.join(taxes, on=_KEY, how="left", maintain_order="left")
    if options.shares == "own":
        return rounded.with_columns(tax=_own(options))
    return allocated(rounded, by=_KEY, amount="rate_tax", weight="own_exact", into="tax")


def _rate_taxes(known: pl.DataFrame, options: Options) -> pl.DataFrame:
    """One row per invoice and rate with `rate_tax`, rounded."""
    rates = known.select(*_KEY, "rate_exact").unique().sort(_KEY)
    if options.rounding == "invoice_per_rate":
        tax = rounded_at(pl.col("rate_exact"), pl.col("places"), options.mode)
        return rates.select(*_KEY, rate_tax=tax)
    whole = pl.col("rate_exact").sum().over("document_id")
    total = rates.with_columns(total=rounded_at(whole, pl.col("places"), options.mode))
    parts = allocated(
        total, by=["document_id"], amount="total", weight="rate_exact", into="rate_tax"
    )
    return parts.select(*_KEY, "rate_tax")


def tax_of(
    amount: Decimal,
    rates: Sequence[tuple[Decimal, bool]],
    places: int,
    *,
    is_inclusive: bool = False,
    mode: str = "half_up",
) -> list[Decimal]:
    """The taxes of one amount by its rates (rate, is_compound), in order. The scalar twin."""
    effective: list[Fraction] = []
    for rate, is_compound in rates:
        above = 1 + sum(effective) if is_compound else 1
        effective.append(Fraction(rate) * above)
    under = 1 + sum(effective) if is_inclusive else 1
    # exact: of fractions.
    return [_whole(Fraction(amount) * rate / under, places, mode) for rate in effective]


def _whole(exact: Fraction, places: int, mode: str) -> Decimal:
    units = exact * 10**places
    floor = units.numerator // units.denominator
    twice = 2 * (units - floor)
    # What lies on a half is decided by the mode of Decimal; what lies beside it keeps its side.
    rest = "0.5" if twice == 1 else "0.25" if twice < 1 else "0.75"
    how = ROUND_HALF_EVEN if mode == "half_even" else ROUND_HALF_UP
    return (Decimal(floor) + Decimal(rest)).quantize(Decimal(1), rounding=how).scaleb(-places)
