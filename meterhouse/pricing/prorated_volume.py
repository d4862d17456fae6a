"""Prorated volume: the full units pick the tier, the units by their part of the period are priced.

A part is a movement: signed units, and the part of the period that was left when they came.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing import parts as parts_of
from meterhouse.pricing import tiers
from meterhouse.pricing.steps import EXACT, ZERO, or_null, spelled, text

_QUOTIENT = Context(prec=96, rounding=ROUND_HALF_EVEN)
FIELDS = ("unit_amount", "flat_amount")


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The charge at 18 places. Slow and obvious: tests hold `rate` to it."""
    with localcontext(EXACT):
        full = sum((Decimal(part["quantity"]) for part in parts), ZERO)
        if full < 0 or (full == 0 and not price["bill_flat_on_zero"]):
            return ZERO
        tier = tiers.holding(price["tiers"], full)
        products = [(part, Decimal(part["quantity"])) for part in parts]
        prorated = weighted(
            (units * Decimal(tier["unit_amount"]), part) for part, units in products
        )
        return Decimal(tier["flat_amount"]) + max(prorated, ZERO)


def weighted(products: Any) -> Decimal:
    """Products times the weights of their parts; those of one denominator are divided once."""
    numerators: dict[int, Decimal] = {}
    for product, part in products:
        denominator = part["weight_denominator"]
        so_far = numerators.get(denominator, ZERO)
        numerators[denominator] = so_far + product * part["weight_numerator"]
    with localcontext(_QUOTIENT):
        # Off by 0.5E-18 at most; pricing/flat.py says when that is enough.
        quotients = (n / d for d, n in numerators.items())  # exact: rounded to 18 places below.
        return sum((one.quantize(Decimal("1E-18")) for one in quotients), ZERO)


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps (the tier, and its flat)."""
    bounds = tiers.exploded(windows["price"], FIELDS)
    numbers = bounds.filter(pl.col("tier_no") == 0).select("price", "price_no")
    rows = parts_of.rows_of(windows, parts, numbers)
    full = rows.group_by("at").agg(full=pl.col("quantity").sum())
    asked = (
        parts_of.placed(windows, numbers)
        .select("at", "price_no")
        .join(full, on="at", how="left", maintain_order="left")
        .with_columns(pl.col("full").fill_null(parts_of.NOUGHT))
        .join(bounds.drop("price"), on="price_no")
        .filter(
            (pl.col("full") > 0) | ((pl.col("full") == 0) & pl.col("bill_flat_on_zero")),
            (pl.col("full") > pl.col("above")) | (pl.col("tier_no") == 0),
            pl.col("up_to").is_null() | (pl.col("full") <= pl.col("up_to")),
        )
    )
    units = rows.join(asked.select("at", "unit_amount"), on="at").with_columns(slice="quantity")
    pieces = (
        asked.join(prorated(units, ["at"]), on="at", how="left")
        .with_columns(pl.col("charged").fill_null(parts_of.NOUGHT))
        .with_columns(charged=pl.max_horizontal("charged", parts_of.NOUGHT))
        .with_columns(amount=pl.col("charged") + pl.col("flat_amount"), place="tier_no")
        .with_columns(step=step(pl.col("full")))
    )
    return parts_of.gathered(windows, [pieces])


def prorated(slices: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """What slices of movements cost, by the columns `by`: charged, at 18 places.

    A slice has `slice` (units), unit_amount, numerator and denominator.
    """
    product = pl.col("slice") * pl.col("unit_amount") * pl.col("numerator").cast(AMOUNT)
    # Multiplied first, divided once for each denominator: off by 0.5E-18 at most (see flat.py).
    quotient = pl.col("product") / pl.col("denominator").cast(AMOUNT)  # exact: as said above.
    return (
        slices.with_columns(product=product)
        .group_by(*by, "denominator")
        .agg(pl.col("product").sum())
        .with_columns(charged=quotient)
        .group_by(*by)
        .agg(pl.col("charged").sum())
    )


def step(units: pl.Expr) -> pl.Expr:
    """The step of one tier: full units, their cost by their part of the period, its flat."""
    return spelled(
        "prorated_tier",
        amount=text(pl.col("amount")),
        flat_amount=text(pl.col("flat_amount")),
        from_=text(pl.col("above")),
        prorated=text(pl.col("charged")),
        quantity=text(units),
        to=or_null(text(pl.col("up_to"))),
        unit_amount=text(pl.col("unit_amount")),
    )
