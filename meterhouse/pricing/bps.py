"""Basis points: a share of each event's value, at most a cap for each event."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing import per_event
from meterhouse.pricing.steps import EXACT, ZERO, number, parsed

PRICE = dict.fromkeys(("bps", "per_event_cap"), pl.String)
IN_ONE = Decimal(10_000)


def charge(parts: Sequence[Mapping[str, Any]], price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge of events. Slow and obvious: tests hold `rate` to it."""
    return sum((capped(Decimal(part["quantity"]), price) for part in parts), ZERO)


def capped(value: Decimal, terms: Mapping[str, Any]) -> Decimal:
    """What a value costs under the basis points and the cap of a price or tier."""
    with localcontext(EXACT):
        # exact: a basis point is a shift by four decimals.
        share = max(value, ZERO) * Decimal(terms["bps"]) / IN_ONE
        cap = terms["per_event_cap"]
        return share if cap is None else min(share, Decimal(cap))


def rate(windows: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """One row per window: window_id, amount_unrounded and steps."""
    high = number("per_event_cap")
    prices = parsed(windows["price"], PRICE).with_columns(
        rate=in_one(number("bps")), high=high, reads=high.is_not_null()
    )
    return per_event.rated(windows, per_event.events(windows, parts, prices))


def in_one(points: pl.Expr) -> pl.Expr:
    """Basis points as a share of one."""
    # exact: a basis point is a shift by four decimals, and the door lets at most 8 through.
    return points / pl.lit(IN_ONE, dtype=AMOUNT)
