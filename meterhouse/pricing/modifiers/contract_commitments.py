"""Commitments of a contract: what a window, quarter, year or term is short of, when it is over."""

from collections.abc import Callable, Collection, Sequence
from datetime import date

import polars as pl

from meterhouse.contracts.invoice_days import billed_on
from meterhouse.money import AMOUNT
from meterhouse.pricing.modifiers import shares
from meterhouse.pricing.modifiers.contract_terms import DAYS, named
from meterhouse.pricing.modifiers.counted import SPAN, placed, with_covered
from meterhouse.pricing.modifiers.discounts import by_rank
from meterhouse.pricing.modifiers.lines import Places, made
from meterhouse.pricing.modifiers.spans import days_between
from meterhouse.pricing.modifiers.terms import zero
from meterhouse.pricing.modifiers.used_before import with_used_before
from meterhouse.pricing.steps import spelled, text

_TERMS = ("id", "amount", "prorate", "true_up", "component", "period", "counts")
# What a line of a span needs beside it: of the last charge that it counts.
_CONTEXT = ("based_on", "currency", "is_late", "end_on", *DAYS)


def by_days(found: pl.DataFrame) -> pl.DataFrame:
    """The spans with `left` of `whole`: the days that the contract leaves of each."""
    return found.with_columns(
        left=days_between("cut_open", "cut_close"), whole=days_between("opens", "closes")
    )


def contract_commitments(
    charges: pl.DataFrame, terms: pl.DataFrame, places: Places, through: date
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The charges with a row for each shortfall of a span that ends by `through`, and the lines.

    In the order given; what an earlier commitment charges counts for a later one of all items.
    """
    lines = []
    for one in by_rank(terms):
        # What was counted before is a charge of no window: no line could be made of it alone.
        found = spans(with_used_before(charges, one), places).drop_nulls("based_on")
        short = found.filter(pl.col("line_amount") > 0, due_on() <= through)
        lines.append(_lines(short))
        charges = pl.concat([charges, _rows(short, charges)])
    return charges, lines


def spans(
    charges: pl.DataFrame,
    places: Places,
    part: Callable[[pl.DataFrame], pl.DataFrame] = by_days,
    context: Sequence[str] = (),
) -> pl.DataFrame:
    """One row per contract and span of its commitment: committed, counted and what it is short.

    `part` is what is owed of a span that is cut, but for periods of items; `context` are columns
    of terms to keep.
    """
    counted = pl.when(pl.col("counts") == "gross").then("gross").otherwise("net")
    mine = pl.when(named("item_id")).then(counted).otherwise(zero())
    is_ahead = pl.col("timing") != "arrears"
    found = placed(with_covered(charges))
    # Of a period that changes cut, an item has several windows, whose shares add up.
    share = _charged_part(found.columns).sum().over(*SPAN, "item_id")
    summed = (
        found.with_columns(by_share=share)
        .sort("contract_id", "window_start_on", "item_id", "charge_id")
        .group_by(SPAN, maintain_order=True)
        .agg(
            pl.col(*_TERMS, *context).first(),
            pl.col(_CONTEXT).last(),
            pl.col("by_share").max(),
            first_due_on=pl.col("due_on").min(),
            counted=mine.sum(),
            # What was paid in advance, and the days to which that and what is in arrears reach.
            ahead=mine.filter(is_ahead).sum(),
            ahead_to=pl.col("window_end_on").filter(is_ahead, mine != 0).max(),
            behind_to=pl.col("window_end_on").filter(~is_ahead, mine != 0).max(),
        )
    )
    return (
        part(summed)
        .with_columns(owed=places(_owed()))
        .with_columns(line_amount=pl.max_horizontal(pl.col("owed") - pl.col("counted"), zero()))
    )


def _charged_part(columns: Collection[str]) -> pl.Expr:
    """The window's part of what is owed for a full period, less what of it went back."""
    charged = shares.part(pl.col("amount"), pl.col("prorate"))
    if "credit_numerator" not in columns:
        return charged
    credit, of_credit = (
        pl.col(f"credit_{name}").cast(AMOUNT) for name in ("numerator", "denominator")
    )
    # What a change gives back and charges anew comes to the whole again.
    # exact: one multiplication, then one division, as in shares.part.
    back = pl.col("amount") * credit / of_credit
    return charged - pl.when(pl.col("prorate") & (credit != 0)).then(back).otherwise(zero())


def _owed() -> pl.Expr:
    """The committed amount, or its share: of a period by its windows, of a longer span by days."""
    by_share = pl.min_horizontal("by_share", "amount")
    left, whole = pl.col("left").cast(AMOUNT), pl.col("whole").cast(AMOUNT)
    # exact: one multiplication, then one division at 18 places of whole days (see shares.py).
    by_part = pl.col("amount") * left / whole
    is_cut = pl.col("prorate") & (left != whole)
    longer = pl.when(is_cut).then(by_part).otherwise("amount")
    of_period = pl.when("prorate").then(by_share).otherwise("amount")
    return pl.when(pl.col("period") == "window").then(of_period).otherwise(longer).cast(AMOUNT)


def due_on() -> pl.Expr:
    """The first local midnight at which the span is over and all of its windows are billed."""
    over = pl.col("cut_close") + pl.duration(days=pl.col("is_late").cast(pl.Int64))
    return billed_on(over)


def _named(short: pl.DataFrame) -> pl.DataFrame:
    return short.with_columns(
        item_id="id",
        item_description="true_up",
        dimensions=pl.lit("{}"),
        timing=pl.lit("arrears"),
        window_start_on="cut_open",
        window_end_on="cut_close",
        due_on=due_on(),
    )


def _rows(short: pl.DataFrame, charges: pl.DataFrame) -> pl.DataFrame:
    """The shortfalls as charges of their own, which credits and the service fee read.

    One of a period is of that period; it has no part of it to be owed anything for.
    """
    is_window = pl.col("period") == "window"
    rows = _named(short).with_columns(
        period_start_on=pl.when(is_window).then("opens"),
        period_end_on=pl.when(is_window).then("closes"),
        share_numerator=pl.lit(0),
        share_denominator=pl.lit(1),
        unused=zero(),
        charge_id=pl.format("{}|{}|{}", "contract_id", "id", "cut_open"),
        gross=zero(),
        net="line_amount",
    )
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in charges.schema.items()
    )


def _lines(short: pl.DataFrame) -> pl.DataFrame:
    step = spelled(
        "contract_commitment",
        amount=text(pl.col("line_amount")),
        counts=pl.col("counts"),
        full=text(pl.col("amount")),
        id=pl.col("id"),
        of=text(pl.col("counted")),
        owed=text(pl.col("owed")),
        period=pl.col("period"),
    )
    told = _named(short).with_columns(step=step, kind="component").drop("amount", "component")
    parts = [
        made(told.filter(pl.col("kind") == one), one, steps=pl.format("[{}]", "step"))
        for one in ("minimum", "true_up")
    ]
    return pl.concat(parts)
