"""Before the price: another unit, then the units that cost nothing."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT, QUANTITY
from meterhouse.pricing import packages
from meterhouse.pricing.modifiers import shares
from meterhouse.pricing.modifiers.terms import field, zero
from meterhouse.pricing.steps import EXACT, free_step, or_null, spelled, text

DECIMALS = 12
_ONE = pl.lit(Decimal(1), dtype=AMOUNT)
_TWO = pl.lit(Decimal(2), dtype=AMOUNT)


def converted(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows with `quantity` in the unit of the price and the text of the step before it.

    Reads the fields of the item's modifiers; a negative quantity is left as it is.
    """
    quantity = pl.col("quantity").cast(AMOUNT)
    changed = _turned(quantity)
    if "earlier" in windows.columns:
        # The period so far is converted, or each of its parts would be rounded on its own.
        changed = _turned(pl.col("earlier") + quantity) - _turned(pl.col("earlier"))
    is_asked = field("convert", "factor").is_not_null()
    return windows.with_columns(
        quantity=pl.when(is_asked).then(changed).otherwise(quantity).cast(QUANTITY),
        before=pl.when(is_asked).then(_convert_step(quantity, changed)).otherwise(pl.lit("")),
    )


def _turned(quantity: pl.Expr) -> pl.Expr:
    return pl.when(quantity > 0).then(_converted(quantity)).otherwise(quantity)


def _converted(quantity: pl.Expr) -> pl.Expr:
    """The quantity times or by the factor, whole by the mode or to 12 decimals."""
    terms = pl.col("convert").struct
    is_product, factor = terms.field("op") == "multiply", field("convert", "factor")
    # Whole units of n / d, so that no rounded quotient decides about the next unit.
    over = pl.when(is_product).then(quantity * factor).otherwise(quantity)
    under = pl.when(is_product).then(_ONE).otherwise(factor)
    # exact: rounded once, half away from zero, to the decimals that quantities have.
    fine = (over / under).round(DECIMALS, mode="half_away_from_zero")
    mode = terms.field("rounding")
    return (
        pl.when(mode == "up")
        .then(packages.packages(over, under, up=True))
        .when(mode == "down")
        .then(packages.packages(over, under, up=False))
        .when(mode == "half_up")
        .then(packages.packages(over * _TWO + under, under * _TWO, up=False))
        .otherwise(fine)
    )


def convert(quantity: Decimal, terms: dict[str, Any]) -> Decimal:
    """The same of one quantity, slow and obvious."""
    factor, mode = Decimal(terms["factor"]), terms["rounding"]
    if quantity <= 0:
        return quantity
    with localcontext(EXACT):
        over, under = (quantity, factor)
        if terms["op"] == "multiply":
            over, under = quantity * factor, Decimal(1)
        if mode in {"up", "down"}:
            return packages.count(over, under, up=mode == "up")
        if mode == "half_up":
            return packages.count(over * 2 + under, under * 2, up=False)
    with localcontext(prec=96):
        # exact: rounded once, like its twin.
        return (over / under).quantize(Decimal("1E-18")).quantize(Decimal("1E-12"), ROUND_HALF_UP)


def allowance() -> pl.Expr:
    """The units of a period that its item gives away: free in every one, included by share."""
    included = _included(pl.col("included_quantity").struct.field("prorate"))
    free = pl.col("free_quantity").cast(AMOUNT)
    # exact: the share of included units keeps the 12 decimals that quantities have.
    exact = included.fill_null(zero()).round(DECIMALS, mode="half_away_from_zero")
    return exact + free.fill_null(zero())


def taken(size: pl.Expr, wanted: pl.Expr, *group: str) -> pl.Expr:
    """How much of one `size` each row of a group takes: first come, first served.

    Row order is the order in which they come; sums are cut, so that nothing depends on a loop.
    """
    whole = wanted.cum_sum().over(group)
    reached = pl.min_horizontal(whole, size)
    before = pl.min_horizontal(whole - wanted, size)
    return pl.max_horizontal(reached - before, zero())


def _included(prorate: pl.Expr) -> pl.Expr:
    """The included units; of a divided period the sum of what its parts have."""
    full = field("included_quantity", "quantity")
    part = shares.part(full, prorate)
    counted = pl.when(pl.col("charge_id").is_first_distinct()).then(part).otherwise(zero())
    total = pl.min_horizontal(counted.sum().over("allowance_id"), full)
    return pl.when(prorate & pl.col("is_part")).then(total).otherwise(part)


def _with_allowances(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows with `allowance_id` and `is_part`: parts of one period share an allowance."""
    if "allowance_id" in windows.columns:
        return windows.with_columns(is_part=pl.col("nth").is_not_null())
    return windows.with_columns(allowance_id="charge_id", is_part=pl.lit(value=False))


def freed(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows with the free units of their item taken off, one allowance for each period.

    A window with several combinations of dimension values (rows of one charge_id) has one, and so
    has a period that is divided.
    """
    wanted = pl.col("quantity").cast(AMOUNT).clip(lower_bound=Decimal(0))
    return given(
        _with_allowances(windows)
        .with_columns(size=allowance())
        .with_columns(taken=taken(pl.col("size"), wanted, "allowance_id"))
    )


def given(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows less the units `taken` of `size`, and the step that says so."""
    told = free_step(pl.col("taken"), pl.col("size"))
    return windows.with_columns(
        quantity=(pl.col("quantity").cast(AMOUNT) - pl.col("taken")).cast(QUANTITY),
        before=pl.concat_str("before", told),
    ).drop("size", "taken")


def _convert_step(quantity: pl.Expr, changed: pl.Expr) -> pl.Expr:
    terms = pl.col("convert").struct
    told = spelled(
        "convert",
        amount="0",
        factor=text(field("convert", "factor")),
        from_=text(quantity),
        op=terms.field("op"),
        quantity=text(changed),
        rounding=terms.field("rounding"),
        to=or_null(pl.lit(None, dtype=pl.String)),
    )
    return pl.format("{},", told)
