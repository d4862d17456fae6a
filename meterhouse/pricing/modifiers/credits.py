"""Promotional credits in money: taken line by line in the order of invoices, grant by grant."""

import polars as pl

from meterhouse.pricing.modifiers.contract_discounts import about, less
from meterhouse.pricing.modifiers.contract_terms import named
from meterhouse.pricing.modifiers.discounts import by_rank
from meterhouse.pricing.modifiers.lines import Places, made
from meterhouse.pricing.modifiers.quantities import taken
from meterhouse.pricing.modifiers.terms import zero
from meterhouse.pricing.steps import spelled, text

ORDER = ("contract_id", "due_on", "window_start_on", "item_id", "charge_id")


def is_usable(at: str) -> pl.Expr:
    """Whether a grant may be used for a window that begins on the day in column `at`."""
    effective, expires = pl.col("effective"), pl.col("expires")
    return (effective.is_null() | (pl.col(at) >= effective)) & (
        expires.is_null() | (pl.col(at) < expires)
    )


def credit(
    charges: pl.DataFrame, terms: pl.DataFrame, places: Places
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The charges with `net` after the credits of their contracts, and the lines they make.

    A grant takes from the first charges it may pay until nothing is left of it, so that grant after
    grant gives the same as charge after charge.
    """
    lines = []
    charges = charges.sort(ORDER)
    for one in by_rank(terms):
        joined = charges.join(one, on="contract_id", how="left", maintain_order="left")
        is_paid = (pl.col("id").is_not_null() & is_usable("window_start_on")) & named("item_id")
        wanted = pl.when(is_paid & (pl.col("net") > 0)).then("net").otherwise(zero())
        size = places(pl.col("amount")).fill_null(zero())
        parts = joined.with_columns(share=taken(size, wanted, "contract_id")).filter(
            pl.col("share") > 0
        )
        lines.append(_lines(parts.with_columns(line_amount=-pl.col("share"))))
        charges = less(charges, parts)
    return charges, lines


def _lines(parts: pl.DataFrame) -> pl.DataFrame:
    step = spelled(
        "credit",
        amount=text(pl.col("line_amount")),
        granted=text(pl.col("amount")),
        id=pl.col("id"),
        of=text(pl.col("net")),
    )
    return made(
        parts.with_columns(step=step).drop("amount"),
        "credit",
        item_id=pl.col("id"),
        dimensions=about("item_id"),
        item_description=pl.format("{}: {}", "description", "item_description"),
        steps=pl.format("[{}]", "step"),
    )
