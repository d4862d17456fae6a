"""Tiers as a table, and in which of them a quantity lies; shared by the models that have tiers."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing import packages
from meterhouse.pricing.steps import ZERO, billable, number, parsed, text

UNIT, RATE = "unit_amount", "rate"
_FIELDS = ("flat_amount", "package_size", "package_amount", "cap")
_NOUGHT = pl.lit(ZERO, dtype=AMOUNT)
_QUANTITY = pl.col("quantity")


def exploded(prices: pl.Series, fields: Sequence[str]) -> pl.DataFrame:
    """One row per distinct price and tier, tier_no from 0: units above `above`, up to `up_to` (in).

    The last tier is open even if a bound was written: usage beyond it must never cost nothing.
    """
    tier = pl.Struct(dict.fromkeys(("up_to", *fields), pl.String))
    rows = (
        parsed(prices, {"bill_flat_on_zero": pl.Boolean, "tiers": pl.List(tier)})
        .with_row_index("price_no")
        .explode("tiers", empty_as_null=False, keep_nulls=False)
        .unnest("tiers")
        .with_columns(
            number("up_to"),
            *(number(field) for field in fields),
            tier_no=pl.int_range(pl.len()).over("price_no"),
            is_last=pl.int_range(pl.len()).over("price_no") == pl.len().over("price_no") - 1,
        )
    )
    return rows.with_columns(
        above=pl.col("up_to").shift().over("price_no", order_by="tier_no").fill_null(_NOUGHT),
        up_to=pl.when(~pl.col("is_last")).then("up_to"),
    )


def table(prices: pl.Series, unit: str | None = UNIT) -> pl.DataFrame:
    """The tiers of the models that charge units: one row per distinct price and tier.

    `unit` is the field that says what a unit costs, None where nothing does.
    """
    rows = exploded(prices, [*_FIELDS, *([unit] if unit else [])])
    return rows.with_columns(unit=pl.col(unit) if unit else _NOUGHT).with_columns(**_texts(unit))


def placed(windows: pl.DataFrame, rows: pl.DataFrame, by: pl.Expr = _QUANTITY) -> pl.DataFrame:
    """Each window in its order with the tier that `by`, its quantity, lies in, the first one at 0.

    `asked` is that, `quantity` its own without a sign: a negative one prices like nothing.
    """
    prices = rows.filter(pl.col("tier_no") == 0).select("price", "price_no")
    asked = (
        windows.select("window_id", "price", asked=by, quantity=billable())
        .with_columns(reached=pl.col("asked").cast(AMOUNT).clip(lower_bound=ZERO))
        .with_row_index("at")
        .join(prices, on="price", how="left", maintain_order="left")
        .drop("price")
    )
    # A join on the price alone would make a row for each tier; this one finds the tier itself.
    bounds = rows.drop("price").with_columns(
        opens=pl.when(pl.col("tier_no") == 0).then(-1).otherwise(pl.col("above")).cast(AMOUNT)
    )
    return (
        asked.sort("reached")
        .join_asof(
            bounds.sort("opens"),
            left_on="reached",
            right_on="opens",
            by="price_no",
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .sort("at")
    )


def cost(units: pl.Expr) -> pl.Expr:
    """What a tier of the table costs for that many units: packages, flat and cap included."""
    filled = packages.packages(units, pl.col("package_size"), up=True)
    packed = pl.when(pl.col("package_size").is_not_null()).then(filled * pl.col("package_amount"))
    whole = units * pl.col("unit") + packed.fill_null(_NOUGHT) + pl.col("flat_amount")
    return pl.when(whole > pl.col("cap")).then("cap").otherwise(whole)


def charged(tier: Mapping[str, Any], units: Decimal, unit: str | None = UNIT) -> Decimal:
    """The same of one tier, slow and obvious."""
    each = Decimal(tier[unit]) if unit else ZERO
    total = units * each + Decimal(tier["flat_amount"])
    if tier.get("package_size"):
        filled = packages.count(units, Decimal(tier["package_size"]), up=True)
        total += filled * Decimal(tier["package_amount"])
    return min(total, Decimal(tier["cap"])) if tier.get("cap") else total


def holding(tiers: Sequence[Mapping[str, Any]], quantity: Decimal) -> Mapping[str, Any]:
    """The tier that a quantity lies in."""
    inside = (t for t in tiers[:-1] if quantity <= Decimal(t["up_to"]))
    return next(inside, tiers[-1])


def step(amount: pl.Expr, units: pl.Expr) -> pl.Expr:
    """The step of one tier as canonical JSON; its fixed parts were spelled once for each price."""
    filled = packages.packages(units, pl.col("package_size"), up=True)
    return pl.concat_str(
        pl.lit('{"amount":"'),
        text(amount),
        "after_amount",
        pl.when(pl.col("package_size").is_not_null()).then(text(filled)).otherwise(pl.lit("")),
        "after_packages",
        text(units),
        "after_units",
    )


def _texts(unit: str | None) -> dict[str, pl.Expr]:
    """What the step of a tier says around its amount, its packages and its units, in that order."""
    size, per = text(pl.col("package_size")), text(pl.col("package_amount"))
    packed = pl.format(',"package_amount":"{}","package_size":"{}","packages":"', per, size)
    rate = pl.format(',"rate":"{}"', text(pl.col("unit"))) if unit == RATE else pl.lit("")
    price = pl.format(',"unit_amount":"{}"', text(pl.col("unit"))) if unit == UNIT else pl.lit("")
    return {
        "after_amount": pl.concat_str(
            pl.lit('"'),
            pl.format(',"cap":"{}"', text(pl.col("cap"))).fill_null(""),
            pl.format(
                ',"flat_amount":"{}","from":"{}"',
                text(pl.col("flat_amount")),
                text(pl.col("above")),
            ),
            packed.fill_null(""),
        ),
        "after_packages": pl.when(pl.col("package_size").is_null())
        .then(pl.lit(',"quantity":"'))
        .otherwise(pl.lit('","quantity":"')),
        "after_units": pl.concat_str(
            pl.lit('"'),
            rate,
            pl.lit(',"step":"tier","to":'),
            pl.format('"{}"', text(pl.col("up_to"))).fill_null("null"),
            price,
            pl.lit("}"),
        ),
    }
