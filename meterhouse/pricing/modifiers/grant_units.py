"""Units that grants pay: taken off quantities before the price, so the rest is overage."""

from datetime import date
from decimal import Decimal

import polars as pl

from meterhouse.money import AMOUNT, QUANTITY
from meterhouse.pricing.modifiers.grant_balances import balance_rows, use_rows
from meterhouse.pricing.modifiers.grant_sales import sold
from meterhouse.pricing.modifiers.grants import Draws, lots_of, paid, used
from meterhouse.pricing.modifiers.pools import WITHOUT_UNITS
from meterhouse.pricing.modifiers.terms import zero
from meterhouse.pricing.steps import spelled, text

UNITS = "units"
_TURN = ("contract_id", "due_on", "window_start_on", "item_id", "dimensions", "window_id")


def drawn(
    windows: pl.DataFrame, terms: pl.DataFrame, last: date, draws: Draws | None = None
) -> pl.DataFrame:
    """The windows less the units that grants of their contracts pay, and the steps that say so.

    `terms` are those of contracts, of which only grants of units are read.
    """
    mine = terms.filter(pl.col("unit") == UNITS)
    if mine.is_empty():
        return windows
    uses = _uses(windows, mine)
    found = used(lots_of(mine), mine, uses, last)
    if draws is not None:
        draws.keep(use_rows(found, _named(windows)), balance_rows(found))
        draws.lines.append(sold(found.top_ups, mine, windows))
    parts = paid(found)
    told = _steps(parts)
    joined = windows.join(
        told, left_on=["contract_id", "window_id"], right_on=["contract_id", "use_id"], how="left",
        maintain_order="left",
    )  # fmt: skip
    left = pl.col("quantity").cast(AMOUNT) - pl.col("taken").fill_null(zero())
    return joined.with_columns(
        quantity=left.cast(QUANTITY), before=pl.concat_str("before", pl.col("told").fill_null(""))
    ).select(windows.columns)


def _uses(windows: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """The quantities of contracts with grants, in the order in which they are billed."""
    has_units = ~pl.col("price_model").is_in(WITHOUT_UNITS) & (pl.col("component") != "fee")
    has_units &= pl.col("quantity") > Decimal(0)
    day = pl.col("window_start_on").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return (
        windows.filter(has_units)
        .join(terms.select("contract_id").unique(), on="contract_id", how="semi")
        .sort(_TURN)
        .with_columns(
            customer_id="contract_id",
            unit=pl.lit(UNITS),
            use_id="window_id",
            use_no=pl.int_range(pl.len(), dtype=pl.Int64),
            at=day,
            quantity=pl.col("quantity").cast(AMOUNT),
        )
    )


def _named(windows: pl.DataFrame) -> pl.DataFrame:
    days = ("item_id", "window_start_on", "window_end_on")
    return windows.select("contract_id", "charge_id", *days, use_id="window_id")


def _steps(parts: pl.DataFrame) -> pl.DataFrame:
    """One row per use: `taken`, and the steps of its grants in the order of payment."""
    step = spelled(
        "free",
        amount="0",
        from_="0",
        grant=pl.col("id"),
        quantity=text(pl.col("share")),
        to=text(pl.col("granted")),
        unit_amount="0",
    )
    return (
        parts.with_columns(told=pl.format("{},", step))
        .group_by("contract_id", "use_id", maintain_order=True)
        .agg(taken=pl.col("share").sum().cast(AMOUNT), told=pl.col("told").str.join(""))
    )
