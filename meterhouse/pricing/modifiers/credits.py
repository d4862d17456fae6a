"""Money that pays charges before tax, taken charge by charge in the order of bills, grant by grant:
what was given, and what was taxed when it was sold."""

from datetime import date

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.modifiers.contract_discounts import about
from meterhouse.pricing.modifiers.grant_balances import balance_rows, use_rows
from meterhouse.pricing.modifiers.grants import (
    VOUCHER,
    Draws,
    instant,
    lasting,
    lots_of,
    paid,
    used,
)
from meterhouse.pricing.modifiers.lines import Places, made
from meterhouse.pricing.modifiers.terms import zero
from meterhouse.pricing.steps import spelled, text

ORDER = ("contract_id", "due_on", "window_start_on", "item_id", "charge_id")
_MONEY = ("amount", "rollover_min", "rollover_max", "top_up_below", "top_up_amount")


# What a line that a grant pays is called, by the kind of the grant.
COMPONENTS = {"promo": "credit", VOUCHER: "voucher"}


def untaxed_money() -> pl.Expr:
    """Whether terms are of money that is used before tax."""
    return (pl.col("unit") == "money") & pl.col("kind").is_in(list(COMPONENTS))


def credit(
    charges: pl.DataFrame,
    terms: pl.DataFrame,
    places: Places,
    last: date,
    draws: Draws | None = None,
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The charges with `net` after the credits of their contracts, and the lines they make."""
    charges = charges.sort(ORDER)
    mine = terms.filter(untaxed_money())
    if mine.is_empty():
        return charges, []
    currencies = charges.group_by("contract_id").agg(pl.col("currency").first())
    rounded = mine.join(currencies, on="contract_id").with_columns(
        unit="currency", **{name: places(pl.col(name)).cast(AMOUNT) for name in _MONEY}
    )
    rounded = _reached(charges, rounded)
    uses = _uses(charges, rounded)
    found = used(lots_of(rounded), rounded, uses, last)
    if draws is not None:
        days = ("item_id", "window_start_on", "window_end_on")
        named = charges.select("contract_id", "charge_id", *days, use_id="charge_id")
        draws.keep(use_rows(found, named), balance_rows(found))
    parts = paid(found).join(
        charges, left_on=["contract_id", "use_id"], right_on=["contract_id", "charge_id"]
    )
    texts = rounded.select("contract_id", "id", "description", "kind").unique(
        ["contract_id", "id"], keep="first", maintain_order=True
    )
    told = parts.join(texts, on=["contract_id", "id"], how="left")
    given = told.filter(pl.col("kind") == "promo")
    lines = [
        _lines(told.filter(pl.col("kind") == kind), component)
        for kind, component in COMPONENTS.items()
    ]
    # What was bought pays; the charge is not less for it.
    return _less(charges, given), lines


def _reached(charges: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """The grants, rewards only where they were reached: from the day on which that is due."""
    rewards = terms.filter(pl.col("reward_spend").is_not_null())
    if rewards.is_empty():
        return terms
    counts = pl.col("reward_items").list.contains(pl.col("item_id")).fill_null(value=False)
    is_any = pl.col("reward_items").list.len().fill_null(0) == 0
    # What is due on one day counts together, whatever comes first on it.
    reached = (
        charges.select("contract_id", "item_id", "due_on", "net")
        .join(rewards.select("contract_id", "id", "reward_spend", "reward_items"), on="contract_id")
        .filter(is_any | counts)
        .group_by("contract_id", "id", "reward_spend", "due_on")
        .agg(pl.col("net").sum())
        .with_columns(spent=pl.col("net").cum_sum().over("contract_id", "id", order_by="due_on"))
        .filter(pl.col("spent") >= pl.col("reward_spend"))
        .group_by("contract_id", "id")
        .agg(reached_on=pl.col("due_on").min())
    )
    joined = terms.join(reached, on=["contract_id", "id"], how="left", maintain_order="left")
    granted = pl.max_horizontal("granted_on", "reached_on")
    known = joined.filter(
        pl.col("reward_spend").is_null() | pl.col("reached_on").is_not_null()
    ).with_columns(granted_on=granted)
    # Those that last for a time last from the day on which they were reached.
    ends = pl.when(pl.col("reached_on").is_not_null()).then(lasting())
    return known.with_columns(expires_on=pl.coalesce("expires_on", ends)).drop("reached_on")


def _uses(charges: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """What is due of contracts with grants, in the order in which it is billed."""
    return (
        charges.with_columns(use_no=pl.int_range(pl.len(), dtype=pl.Int64))
        .filter(pl.col("net") > 0)
        .join(terms.select("contract_id").unique(), on="contract_id", how="semi")
        .with_columns(
            customer_id="contract_id",
            unit="currency",
            use_id="charge_id",
            at=instant("window_start_on"),
            quantity=pl.col("net").cast(AMOUNT),
        )
    )


def _less(charges: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """The charges with `net` less what grants paid of them."""
    sums = parts.group_by("contract_id", charge_id="use_id").agg(share=pl.col("share").sum())
    joined = charges.join(sums, on=["contract_id", "charge_id"], how="left", maintain_order="left")
    net = pl.col("net") - pl.col("share").fill_null(zero())
    return joined.with_columns(net=net).drop("share")


def _lines(parts: pl.DataFrame, component: str) -> pl.DataFrame:
    named = parts.with_columns(line_amount=-pl.col("share"))
    step = spelled(
        component,
        amount=text(pl.col("line_amount")),
        granted=text(pl.col("granted")),
        id=pl.col("id"),
        of=text(pl.col("net") - pl.col("before")),
    )
    return made(
        named.with_columns(step=step),
        component,
        item_id=pl.col("id"),
        dimensions=about("item_id"),
        item_description=pl.format("{}: {}", "description", "item_description"),
        steps=pl.format("[{}]", "step"),
    )
