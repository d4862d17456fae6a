"""Commitments of a contract: what a window, quarter, year or term is short of, when it is over."""

from datetime import date

import polars as pl

from meterhouse.contracts.invoice_days import billed_on
from meterhouse.money import AMOUNT
from meterhouse.pricing.modifiers import shares
from meterhouse.pricing.modifiers.contract_terms import DAYS, named
from meterhouse.pricing.modifiers.discounts import by_rank
from meterhouse.pricing.modifiers.lines import Places, made
from meterhouse.pricing.modifiers.renewed import with_terms
from meterhouse.pricing.modifiers.spans import days_between, number_of, span_of
from meterhouse.pricing.modifiers.terms import zero
from meterhouse.pricing.steps import spelled, text

_SPAN = ("contract_id", "opens", "closes", "cut_open", "cut_close")
_DAY = pl.duration(days=1)
_TERMS = ("id", "amount", "prorate", "true_up", "component", "period", "counts")


def contract_commitments(
    charges: pl.DataFrame, terms: pl.DataFrame, places: Places, through: date
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The charges with a row for each shortfall of a span that ends by `through`, and the lines.

    In the order given; what an earlier commitment charges counts for a later one of all items.
    """
    lines = []
    for one in by_rank(terms):
        found = spans(charges.join(one, on="contract_id"), places)
        short = found.filter(pl.col("line_amount") > 0, due_on() <= through)
        lines.append(_lines(short))
        charges = pl.concat([charges, _rows(short, charges)])
    return charges, lines


def spans(charges: pl.DataFrame, places: Places) -> pl.DataFrame:
    """One row per contract and span of its commitment: committed, counted and what it is short."""
    counted = pl.when(pl.col("counts") == "gross").then("gross").otherwise("net")
    mine = pl.when(named("item_id")).then(counted).otherwise(zero())
    context = ("based_on", "currency", "is_late", "end_on", *DAYS)
    # Of a period that changes cut, an item has several windows, whose shares add up.
    share = shares.part(pl.col("amount"), pl.col("prorate")).sum().over(*_SPAN, "item_id")
    found = (
        _placed(charges)
        .with_columns(by_share=share)
        .sort("contract_id", "window_start_on", "item_id", "charge_id")
        .group_by(_SPAN, maintain_order=True)
        .agg(
            pl.col(_TERMS).first(),
            pl.col(context).last(),
            pl.col("by_share").max(),
            counted=mine.sum(),
        )
    )
    return found.with_columns(owed=places(_owed())).with_columns(
        line_amount=pl.max_horizontal(pl.col("owed") - pl.col("counted"), zero())
    )


def _placed(charges: pl.DataFrame) -> pl.DataFrame:
    """The charges with the span that counts them, whole and as the contract cuts it.

    What is paid in advance counts where it begins, and what is in arrears where it ends: then all
    that a span counts is billed when it is over.
    """
    # A term that was agreed by `until` is one, whatever follows it.
    is_term = (pl.col("period") == "term") & pl.col("until").is_null()
    begins = pl.when(is_term).then(pl.max_horizontal("start", "term_open"))
    dated = (
        with_terms(charges.with_columns(counted_on=_counted_on()), "counted_on")
        .with_columns(
            first=pl.coalesce(begins, "start", "start_on"),
            last=pl.coalesce("until", pl.when(is_term).then("term_close"), "end_on"),
        )
        .filter(
            pl.col("counted_on") >= pl.col("first"),
            pl.col("last").is_null() | (pl.col("counted_on") < pl.col("last")),
        )
    )
    opens, closes = span_of("counted_on", "period", "first", "last")
    is_window = pl.col("period") == "window"
    whole = dated.with_columns(
        opens=pl.when(is_window).then("period_start_on").otherwise(opens),
        closes=pl.when(is_window).then("period_end_on").otherwise(closes),
    ).filter(pl.col("closes").is_not_null())
    # Of a ramp, each span has its own amount, and the last holds for all that follow.
    place = pl.min_horizontal(
        number_of("opens", "period", "first"), pl.col("amounts").list.len() - 1
    )
    return whole.with_columns(
        amount=pl.coalesce(pl.col("amounts").list.get(place, null_on_oob=True), "amount"),
        cut_open=pl.max_horizontal("opens", "start_on"),
        cut_close=pl.min_horizontal("closes", "end_on"),
    )


def _counted_on() -> pl.Expr:
    """The first day of what is paid in advance, the last one of what is in arrears."""
    last = pl.col("window_end_on") - pl.when("is_late").then(pl.duration()).otherwise(_DAY)
    return pl.when(pl.col("timing") == "arrears").then(last).otherwise("window_start_on")


def _owed() -> pl.Expr:
    """The committed amount, or its share: of a period by its windows, of a longer span by days."""
    by_share = pl.min_horizontal("by_share", "amount")
    cut, full = days_between("cut_open", "cut_close"), days_between("opens", "closes")
    # exact: one multiplication, then one division at 18 places of whole days (see shares.py).
    by_days = pl.col("amount") * cut / full
    is_cut = pl.col("prorate") & (cut != full)
    longer = pl.when(is_cut).then(by_days).otherwise("amount")
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
    """The shortfalls as charges of their own, which credits and the service fee read."""
    rows = _named(short).with_columns(
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
