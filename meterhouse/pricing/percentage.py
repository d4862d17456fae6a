"""Percentage pricing: a share of measured money; events may be free, cost extra, have limits."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing import per_event
from meterhouse.pricing.steps import EXACT, ZERO, number, parsed

AMOUNTS = ("rate", "fixed_amount", "free_amount", "min_per_event", "max_per_event")
PRICE = {
    **dict.fromkeys(AMOUNTS, pl.String),
    "free_events": pl.Int64,
    "bill_fixed_on_zero": pl.Boolean,
}


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge of events in order. Slow and obvious: tests hold `rate` to it."""
    values = [max(Decimal(part["quantity"]), ZERO) for part in parts]
    with localcontext(EXACT):
        if sum(values) == 0 and not price["bill_fixed_on_zero"]:
            return ZERO
        total = running = ZERO
        for place, value in enumerate(values, start=1):
            free = _free(place, running, value, price)
            running += value
            is_free = _allows(price) and _is_within(place, running, price)
            total += ZERO if is_free else _fee(value - free, price)
    return total


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps."""
    amounts = {name: number(name) for name in AMOUNTS}
    prices = parsed(windows["price"], PRICE).with_columns(**amounts).with_columns(reads=_reads())
    events = per_event.events(windows, parts, prices).with_columns(
        fixed="fixed_amount", low="min_per_event", high="max_per_event"
    )
    if prices.filter(_has_allowance()).is_empty():
        return per_event.rated(windows, events)
    walked = events.with_columns(
        running=pl.col("value").cum_sum().over("at"), place=pl.int_range(1, pl.len() + 1).over("at")
    )
    return per_event.rated(windows, walked.with_columns(is_free=_is_free(), free_part=_free_part()))


def _reads() -> pl.Expr:
    """Whether the sum of the values is not enough for a price; contracts/event_prices.py agrees."""
    return (
        (pl.col("fixed_amount") > 0)
        | (pl.col("free_events") > 0)
        | (pl.col("min_per_event").fill_null(0) > 0)
        | pl.col("max_per_event").is_not_null()
    )


def _is_free() -> pl.Expr:
    """Whether an event lies within the allowances wholly; one that ends first ends both."""
    within = (pl.col("free_amount") == 0) | (pl.col("running") <= pl.col("free_amount"))
    return _has_allowance() & _is_counted_free() & within


def _has_allowance() -> pl.Expr:
    return (pl.col("free_events") > 0) | (pl.col("free_amount") > 0)


def _is_counted_free() -> pl.Expr:
    return (pl.col("free_events") == 0) | (pl.col("place") <= pl.col("free_events"))


def _free_part() -> pl.Expr:
    """The part of an event's value that is free."""
    nought = pl.lit(ZERO, dtype=AMOUNT)
    left = pl.col("free_amount") - (pl.col("running") - pl.col("value"))
    of_amount = pl.max_horizontal(pl.min_horizontal(left, "value"), nought)
    by_events = pl.when(pl.col("free_events") > 0).then("value").otherwise(nought)
    free = pl.when(pl.col("free_amount") > 0).then(of_amount).otherwise(by_events)
    return pl.when(_is_counted_free()).then(free).otherwise(nought)


def _allows(price: Mapping[str, Any]) -> bool:
    return price["free_events"] > 0 or Decimal(price["free_amount"]) > 0


def _is_within(place: int, running: Decimal, price: Mapping[str, Any]) -> bool:
    free_amount = Decimal(price["free_amount"])
    return not (0 < price["free_events"] < place) and (not free_amount or running <= free_amount)


def _free(place: int, before: Decimal, value: Decimal, price: Mapping[str, Any]) -> Decimal:
    free_amount = Decimal(price["free_amount"])
    if not _allows(price) or 0 < price["free_events"] < place:
        return ZERO
    return min(max(free_amount - before, ZERO), value) if free_amount else value


def _fee(charged: Decimal, price: Mapping[str, Any]) -> Decimal:
    fee = charged * Decimal(price["rate"]) + Decimal(price["fixed_amount"])
    low, high = price["min_per_event"], price["max_per_event"]
    fee = fee if low is None else max(fee, Decimal(low))
    return fee if high is None else min(fee, Decimal(high))
