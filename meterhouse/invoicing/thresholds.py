"""Progressive billing: an invoice as soon as usage has reached an amount, once or at every step.

A threshold looks at the amount of all usage of an account since it began, in one currency. What is
invoiced is the usage of the period so far less what earlier such invoices of the period billed, so
tiers, limits and free units come out right by themselves.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

import polars as pl

from meterhouse.money import AMOUNT

# One row per account and threshold; a recurring one is a step counted from the highest other.
THRESHOLDS: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {"account_id": pl.String, "amount": AMOUNT, "is_recurring": pl.Boolean}
)
# One row per account and look at it, in the order `look_no`: what all its usage costs until then.
LOOKS: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {"account_id": pl.String, "look_no": pl.Int64, "lifetime_amount": AMOUNT}
)
_ZERO = pl.lit(0, dtype=AMOUNT)


def crossed(looks: pl.DataFrame, thresholds: pl.DataFrame) -> pl.DataFrame:
    """The looks (LOOKS) with `level`, how many thresholds were reached, and `is_crossed`.

    Reaching several at once is one crossing; falling back and reaching one again is none.
    """
    ordered = looks.sort("account_id", "look_no").with_columns(
        lifetime_amount=pl.col("lifetime_amount").cast(AMOUNT)
    )
    reached = _levels(ordered, thresholds)
    highest = pl.col("level").cum_max().over("account_id")
    before = highest.shift(1).over("account_id").fill_null(0)
    return reached.with_columns(is_crossed=pl.col("level") > before)


def _levels(looks: pl.DataFrame, thresholds: pl.DataFrame) -> pl.DataFrame:
    """The looks with `level`."""
    single = thresholds.filter(~pl.col("is_recurring")).unique()
    steps = (
        thresholds.filter("is_recurring")
        .group_by("account_id")
        .agg(step=pl.col("amount").min().cast(AMOUNT))
    )
    last = single.group_by("account_id").agg(last=pl.col("amount").max().cast(AMOUNT))
    ladder = single.sort("account_id", "amount").with_columns(
        singles=pl.int_range(1, pl.len() + 1).over("account_id"),
        lifetime_amount=pl.col("amount").cast(AMOUNT),
    )
    joined = (
        looks.sort("lifetime_amount")
        .join_asof(
            ladder.select("account_id", "lifetime_amount", "singles").sort("lifetime_amount"),
            on="lifetime_amount",
            by="account_id",
            strategy="backward",
            check_sortedness=False,
        )
        .join(steps, on="account_id", how="left")
        .join(last, on="account_id", how="left")
        .sort("account_id", "look_no")
    )
    above = pl.col("lifetime_amount") - pl.col("last").fill_null(_ZERO)
    # exact: the difference is a whole number of steps.
    whole = (above - above % pl.col("step")) / pl.col("step")
    taken = pl.when(above >= pl.col("step")).then(whole.cast(pl.Int64)).otherwise(0)
    level = pl.col("singles").fill_null(0).cast(pl.Int64) + taken.fill_null(0)
    return joined.with_columns(level=level).select(*looks.columns, "level")


def level(amount: Decimal, singles: Sequence[Decimal], step: Decimal | None) -> int:
    """How many thresholds an amount has reached. The scalar twin."""
    reached = sum(1 for one in set(singles) if one <= amount)
    above = amount - max(singles, default=Decimal(0))
    return reached + (int(above // step) if step is not None and above >= step else 0)


def outstanding(desired: pl.DataFrame, billed: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """By key: `desired`, the usage of the period so far, `billed`, what earlier invoices of the
    period took, and `amount`, what is left to invoice. Both frames have the key and `amount`.
    """
    keys = list(by)
    wanted = desired.group_by(keys).agg(desired=pl.col("amount").cast(AMOUNT).sum())
    taken = billed.group_by(keys).agg(billed=pl.col("amount").cast(AMOUNT).sum())
    both = wanted.join(taken, on=keys, how="full", coalesce=True)
    filled = both.with_columns(pl.col("desired", "billed").fill_null(_ZERO))
    amount = (pl.col("desired") - pl.col("billed")).cast(AMOUNT)
    return filled.with_columns(amount=amount).sort(keys)
