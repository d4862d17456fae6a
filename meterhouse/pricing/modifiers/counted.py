"""Which span of time counts a charge: a period, a month, a quarter, a year or a term."""

import polars as pl

from meterhouse.contracts.invoice_days import billed_on
from meterhouse.pricing.modifiers.renewed import raised, with_terms
from meterhouse.pricing.modifiers.spans import MONTHS, nth_span, number_of, span_of
from meterhouse.pricing.modifiers.terms import zero

SPAN = ("contract_id", "opens", "closes", "cut_open", "cut_close")


def placed(charges: pl.DataFrame) -> pl.DataFrame:
    """The charges with the span that counts them, whole and as the contract cuts it.

    What is paid in advance counts where it begins, and what is in arrears where it ends: then all
    that a span counts is billed when it is over. A charge has the terms that it is counted for.
    """
    # A term that was agreed by `until` is one, whatever follows it.
    is_term = (pl.col("period") == "term") & pl.col("until").is_null()
    begins = pl.when(is_term).then(pl.max_horizontal("start", "term_open"))
    dated = (
        with_terms(charges.with_columns(counted_on=counted_on()), "counted_on")
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
    agreed_to = pl.when(~is_window).then("until")
    risen = raised(whole, "opens", "amount")
    return risen.with_columns(
        # What rises by itself is said for each span.
        amount=pl.coalesce(pl.col("amounts").list.get(place, null_on_oob=True), "amount"),
        cut_open=pl.max_horizontal("opens", "start_on"),
        cut_close=pl.min_horizontal("closes", "end_on", agreed_to),
    )


def counted_on() -> pl.Expr:
    """The first day of what is paid in advance, the last one of what is in arrears."""
    # Also where days begin, or the contract ends, after midnight: what is left of that day belongs
    # to the day before it, as all hours do that come before a day's beginning.
    last = pl.col("window_end_on") - pl.duration(days=1)
    return pl.when(pl.col("timing") == "arrears").then(last).otherwise("window_start_on")


def with_covered(charges: pl.DataFrame) -> pl.DataFrame:
    """The charges, and one of nothing for each later span that one in advance was paid for.

    A fee of a year counts in the quarter in which it begins; the other three quarters are spans in
    which nothing else may be charged, and are owed what is committed all the same.
    """
    months = pl.col("period").replace_strict(MONTHS, default=None, return_dtype=pl.Int64)
    ahead = charges.filter(
        pl.col("timing") != "arrears", months.is_not_null(), pl.col("window_end_on").is_not_null()
    ).with_columns(origin=pl.coalesce("start", "start_on"))
    opens, closes = span_of("window_start_on", "period", "origin", "window_end_on")
    longer = ahead.with_columns(opens=opens, closes=closes).filter(
        pl.col("closes") < pl.col("window_end_on")
    )
    if longer.is_empty():
        return charges
    days = (pl.col("window_end_on") - pl.col("closes")).dt.total_days()
    # A month has at least 28 days; those that begin too late are left out again.
    most = days // (28 * months) + 1
    number = number_of("opens", "period", "origin") + pl.col("later")
    later = (
        longer.with_columns(later=pl.int_ranges(1, most + 1))
        .explode("later", empty_as_null=False, keep_nulls=False)
        .with_columns(window_start_on=nth_span(number, "period", "origin"))
        .filter(pl.col("window_start_on") < pl.col("window_end_on"))
    )
    nothing = later.with_columns(
        gross=zero(), net=zero(), due_on=billed_on(pl.col("window_start_on"))
    )
    return pl.concat([charges, nothing.select(charges.columns)])
