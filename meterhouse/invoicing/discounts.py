"""Discounts and coupons of whole invoices: which are due, in which order, and on which lines.

Those for items come before those for plans, those before the ones for everything; in one scope
percentages come before amounts and older ones before younger. Each takes from what the ones before
it have left, at most all of it, and is spread over its lines by largest remainder.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from meterhouse.invoicing.allocation import allocate, allocated
from meterhouse.invoicing.rounding import rounded_at
from meterhouse.money import AMOUNT, round_half_away

# One row per line: `plan_id` is the plan or contract it belongs to, `amount` is rounded to the
# currency's `places`.
LINES: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "document_id": pl.String,
        "line_no": pl.Int64,
        "item_id": pl.String,
        "plan_id": pl.String,
        "amount": AMOUNT,
        "places": pl.Int64,
    }
)
# One row per discount of an invoice: a `percentage` (a fraction: 0.1 is 10 %) or an `amount`; empty
# lists of items and plans: for all of them. `age` is its place among those given, 0 the oldest.
# `frequency` is once, repeating (for `cycles` invoices), until_used or forever; `used_count` and
# `used_amount` say what earlier invoices took.
DISCOUNTS: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "document_id": pl.String,
        "discount_id": pl.String,
        "percentage": AMOUNT,
        "amount": AMOUNT,
        "items": pl.List(pl.String),
        "plans": pl.List(pl.String),
        "age": pl.Int64,
        "frequency": pl.String,
        "cycles": pl.Int64,
        "used_count": pl.Int64,
        "used_amount": AMOUNT,
    }
)
_ZERO = pl.lit(0, dtype=AMOUNT)
_SHARES = ("document_id", "discount_id", "line_no", "amount")


class Discounted(NamedTuple):
    """`lines` with `discount` and `net`; `shares`: one row per discount and line it took from."""

    lines: pl.DataFrame
    shares: pl.DataFrame


class Discount(NamedTuple):
    """One discount, for the scalar twin."""

    discount_id: str
    percentage: Decimal | None = None
    amount: Decimal | None = None
    items: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()

    @property
    def scope(self) -> int:
        """0: for items, 1: for plans, 2: for everything."""
        return 0 if self.items else 1 if self.plans else 2


def discounted(
    lines: pl.DataFrame, discounts: pl.DataFrame, share_places: int | None = None
) -> Discounted:
    """The lines (LINES) less the discounts (DISCOUNTS) that are due.

    Shares have the places of the currency, or `share_places` for those who publish finer ones.
    """
    left = lines.sort("document_id", "line_no").with_columns(left=pl.col("amount").cast(AMOUNT))
    shares = []
    # A round is one discount of every invoice: as many rounds as the invoice with the most has.
    for _, round_ in sorted(_ranked(discounts).partition_by("rank", as_dict=True).items()):
        taken = _taken(left, round_, share_places)
        shares.append(taken.filter(pl.col("share") != 0).rename({"amount": "_", "share": "amount"}))
        left = taken.with_columns(left=(pl.col("left") - pl.col("share")).cast(AMOUNT))
        left = left.select(*lines.columns, "left")
    amounts = left.with_columns(
        discount=(pl.col("amount").cast(AMOUNT) - pl.col("left")).cast(AMOUNT), net="left"
    )
    kinds = (pl.String, pl.String, pl.Int64, AMOUNT)
    nothing = pl.DataFrame(schema=dict(zip(_SHARES, kinds, strict=True)))
    found = [share.select(_SHARES).cast(nothing.schema) for share in shares]
    return Discounted(amounts.drop("left"), pl.concat([nothing, *found]))


def due(discounts: pl.DataFrame) -> pl.DataFrame:
    """The discounts that still take something, with `left`: what is left of an amount, or null."""
    is_due = (
        pl.when(pl.col("frequency") == "once")
        .then(pl.col("used_count") == 0)
        .when(pl.col("frequency") == "repeating")
        .then(pl.col("used_count") < pl.col("cycles"))
        .when(pl.col("frequency") == "until_used")
        .then(pl.col("used_amount") < pl.col("amount"))
        .otherwise(True)
    )
    rest = pl.col("amount").cast(AMOUNT) - pl.col("used_amount").cast(AMOUNT)
    left = pl.when(pl.col("frequency") == "until_used").then(rest).otherwise("amount")
    return discounts.filter(is_due).with_columns(left=left.cast(AMOUNT))


def used(discounts: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """The discounts as they stand once their invoices are issued; one that took nothing stands."""
    taken = shares.group_by("document_id", "discount_id").agg(_taken=pl.col("amount").sum())
    joined = discounts.join(
        taken, on=["document_id", "discount_id"], how="left", maintain_order="left"
    )
    count = pl.col("used_count") + pl.col("_taken").is_not_null().cast(pl.Int64)
    amount = pl.col("used_amount").cast(AMOUNT) + pl.col("_taken").fill_null(_ZERO)
    return joined.with_columns(used_count=count, used_amount=amount.cast(AMOUNT)).drop("_taken")


def _ranked(discounts: pl.DataFrame) -> pl.DataFrame:
    """What is due with `rank`, its place on its invoice."""
    has_items, has_plans = pl.col("items").list.len() > 0, pl.col("plans").list.len() > 0
    scope = pl.when(has_items).then(0).when(has_plans).then(1).otherwise(2)
    ordered = due(discounts).sort(
        pl.col("document_id"),
        scope,
        pl.col("percentage").is_null(),
        pl.col("age"),
        pl.col("discount_id"),
    )
    return ordered.with_columns(rank=pl.int_range(pl.len()).over("document_id"))


def _taken(left: pl.DataFrame, round_: pl.DataFrame, share_places: int | None) -> pl.DataFrame:
    """The lines with `share`: what the one discount of each invoice takes from them."""
    one = round_.select(
        *("document_id", "discount_id", "percentage", "items", "plans"), most="left"
    )
    joined = left.join(one, on="document_id", how="left", maintain_order="left")
    in_items = pl.col("items").list.contains(pl.col("item_id"))
    in_plans = pl.col("plans").list.contains(pl.col("plan_id"))
    in_scope = (
        ((pl.col("items").list.len() == 0) | in_items)
        & ((pl.col("plans").list.len() == 0) | in_plans)
        & pl.col("discount_id").is_not_null()
    ).fill_null(False)
    weighed = joined.with_columns(_weight=pl.when(in_scope).then("left").otherwise(_ZERO))
    base = pl.col("_weight").sum().over("document_id")
    taken = pl.coalesce(base * pl.col("percentage"), pl.min_horizontal("most", base))
    wanted = weighed.with_columns(
        _take=pl.when(base > 0).then(taken).otherwise(_ZERO).fill_null(_ZERO).cast(AMOUNT),
        _places=pl.col("places") if share_places is None else pl.lit(share_places),
    )
    whole = wanted.with_columns(_take=rounded_at(pl.col("_take"), pl.col("places")))
    return allocated(
        whole, by=["document_id"], amount="_take", weight="_weight", places="_places", into="share"
    )


def discount_lines(
    amounts: Sequence[Decimal],
    keys: Sequence[tuple[str, str]],
    discounts: Sequence[Discount],
    places: int,
) -> list[Decimal]:
    """What the discounts, all due, take from each line (item, plan). The scalar twin."""
    left = list(amounts)
    order = sorted(discounts, key=lambda one: (one.scope, one.percentage is None))
    for one in order:
        weights = [
            rest if _covers(one, key) else Decimal(0) for rest, key in zip(left, keys, strict=True)
        ]
        base = sum(weights, Decimal(0))
        if base <= 0:
            continue
        asked = one.amount if one.percentage is None else base * one.percentage
        take = round_half_away(min(asked or Decimal(0), base), places)
        shares = allocate(take, weights, places)
        left = [rest - share for rest, share in zip(left, shares, strict=True)]
    return [amount - rest for amount, rest in zip(amounts, left, strict=True)]


def _covers(discount: Discount, key: tuple[str, str]) -> bool:
    item, plan = key
    in_items = not discount.items or item in discount.items
    return in_items and (not discount.plans or plan in discount.plans)
