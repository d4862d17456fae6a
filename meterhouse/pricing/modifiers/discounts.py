"""Discounts: shares and amounts taken off what is left, one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.pricing.modifiers.lines import Places
from meterhouse.pricing.modifiers.terms import amounts, days, zero
from meterhouse.pricing.modifiers.unused import kept
from meterhouse.pricing.steps import EXACT, ZERO, or_null, spelled, text


def ranked(terms: pl.DataFrame, key: str) -> pl.DataFrame:
    """Discounts with `rank` from 0 among those of one `key`: own order, percentages, amounts."""
    by = (pl.col("order").is_null(), "order", pl.col("percentage").is_null(), "place")
    return (
        terms.sort(key, *by, nulls_last=True)
        .with_columns(
            *amounts("percentage", "amount", "cap", "cap_total"),
            *days("from", "until"),
            rank=pl.int_range(pl.len()).over(key),
        )
        .rename({"amount": "off", "from": "from_on", "until": "until_on"})
    )


# A period that a change cuts has several windows, and one fixed amount and one cap.
_PERIOD = ("contract_id", "item_id", "period_start_on")


def by_rank(terms: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The first terms of each key, then the second: as many as the longest list is."""
    for rank in sorted(terms["rank"].unique().to_list()):
        yield terms.filter(pl.col("rank") == rank).drop("rank")


def holds(at: str) -> pl.Expr:
    """Whether a discount holds in a period that begins on the day in column `at`."""
    from_on, until_on = pl.col("from_on"), pl.col("until_on")
    return (from_on.is_null() | (pl.col(at) >= from_on)) & (
        until_on.is_null() | (pl.col(at) < until_on)
    )


def off(base: pl.Expr, places: Places, *life: str) -> pl.Expr:
    """What a discount takes off the base, never more than it; rows of `life` share cap_total.

    Row order is the order in which the total is used up.
    """
    return _left(_one(base, places), places(pl.col("cap_total")), life)


def _one(base: pl.Expr, places: Places) -> pl.Expr:
    """What a discount takes off one base, were there no other."""
    positive = pl.max_horizontal(base, zero())
    asked = pl.coalesce(pl.col("percentage") * positive, "off")
    return pl.min_horizontal(places(asked), positive, places(pl.col("cap"))).fill_null(zero())


def _shared(
    charges: pl.DataFrame, total: pl.Expr, group: Sequence[str], places: Places
) -> pl.DataFrame:
    """The charges with `one` cut to what is left of a total that the group shares, in order.

    What a cut gives back of a discount is there for the charges that come later.
    """
    mine = charges.with_columns(mine=kept(pl.col("one"), charges.columns, places))
    before = pl.col("mine").cum_sum().over(group) - pl.col("mine")
    rest = pl.max_horizontal(total - before, zero())
    cut = pl.when(total.is_null()).then("one").otherwise(pl.min_horizontal("one", rest))
    return mine.with_columns(one=cut).drop("mine")


def _left(one: pl.Expr, total: pl.Expr, group: Sequence[str]) -> pl.Expr:
    """What each row takes of a total that its group shares, first come, first served."""
    used = one.cum_sum().over(group)
    capped = pl.min_horizontal(used, total) - pl.min_horizontal(used - one, total)
    return pl.when(total.is_null()).then(one).otherwise(capped)


def step(taken: pl.Expr, of: pl.Expr) -> pl.Expr:
    """The step of one discount as canonical JSON."""
    return spelled(
        "discount",
        amount=text(-taken),
        cap=or_null(text(pl.col("cap"))),
        cap_total=or_null(text(pl.col("cap_total"))),
        fixed=or_null(text(pl.col("off"))),
        id=or_null(pl.col("id")),
        of=text(of),
        percentage=or_null(text(pl.col("percentage"))),
    )


def applied(charges: pl.DataFrame, terms: pl.DataFrame, places: Places) -> pl.DataFrame:
    """The charges in their order with `net` less all discounts, `discounted`, and `told` steps.

    `charges` has one row per charge: contract_id, item_id, net, modifiers, window_start_on, and
    `unused` (what a cut gave back), which a discount makes smaller too.
    """
    left = charges.with_columns(discounted=zero(), told=pl.lit(""))
    for one in by_rank(terms):
        joined = left.join(one, on="modifiers", how="left", maintain_order="left").with_columns(
            is_on=holds("window_start_on") & (pl.coalesce("percentage", "off").is_not_null())
        )
        billed = pl.col("net") + pl.col("unused")
        base = pl.when("is_on").then(billed).otherwise(zero())
        most = pl.min_horizontal(places(pl.col("cap")), places(pl.col("off")))
        took = _shared(joined.with_columns(one=_one(base, places)), most, _PERIOD, places)
        total = places(pl.col("cap_total"))
        took = _shared(took, total, ("contract_id", "item_id"), places).with_columns(
            took=kept(pl.col("one"), joined.columns, places)
        )
        said = pl.format("{},", step(pl.col("took"), pl.col("net")))
        left = took.with_columns(
            net=pl.col("net") - pl.col("took"),
            unused=pl.col("unused") - pl.col("one") + pl.col("took"),
            discounted=pl.col("discounted") + pl.col("took"),
            told=pl.concat_str(
                "told", pl.when(pl.col("took") != 0).then(said).otherwise(pl.lit(""))
            ),
        ).select(left.columns)
    return left


def discount(net: Decimal, terms: Sequence[Mapping[str, Any]]) -> Decimal:
    """What is left of one amount after discounts that hold, with all its places. Slow and obvious.

    Caps of a period are kept; caps of a life need the periods before.
    """
    order = sorted(
        terms, key=lambda t: (t.get("order") is None, t.get("order") or 0, "amount" in t)
    )
    with localcontext(EXACT):
        for one in order:
            share = Decimal(one.get("percentage", 0)) * net
            took = min(net, Decimal(one["amount"]) if "amount" in one else share)
            took = min(took, Decimal(one["cap"])) if "cap" in one else took
            net -= max(took, ZERO)
    return net
