"""The most and the least that an item costs in a period, and what it has committed to."""

import polars as pl

from meterhouse.pricing.modifiers import shares
from meterhouse.pricing.modifiers.lines import Places
from meterhouse.pricing.modifiers.terms import field, zero
from meterhouse.pricing.steps import spelled, text


def limit(name: str, places: Places) -> pl.Expr:
    """A limit's amount for the window, rounded once: its share of the full period's."""
    return places(shares.part(field(name, "amount"), pl.col(name).struct.field("prorate")))


def maximum(places: Places) -> pl.Expr:
    """What takes the net down to the maximum: zero or less. It always holds."""
    over = pl.col("net") - limit("maximum", places)
    return pl.when(over > 0).then(-over).otherwise(zero())


def minimum(places: Places) -> pl.Expr:
    """What brings the net up to the minimum, on the last window of the period only."""
    short = limit("minimum", places) - pl.col("net")
    return pl.when((short > 0) & pl.col("is_period_last")).then(short).otherwise(zero())


def overage(places: Places) -> pl.Expr:
    """What the excess over the item's commitment costs beside its price."""
    excess = pl.col("net") - limit("commitment", places)
    more = places(excess * field("commitment", "overage_factor")) - excess
    return pl.when(excess > 0).then(more).otherwise(zero())


def shortfall(places: Places) -> pl.Expr:
    """What the item's commitment is short of, where it is charged and the period is over."""
    short = limit("commitment", places) - pl.col("net")
    is_charged = pl.col("commitment").struct.field("true_up") & pl.col("is_period_last")
    return pl.when((short > 0) & is_charged).then(short).otherwise(zero())


def step(kind: str, name: str, places: Places) -> pl.Expr:
    """The step of one of them as canonical JSON: the net before, the limit and its share."""
    return spelled(
        kind,
        amount=text(pl.col("line_amount")),
        full=text(field(name, "amount")),
        limit=text(limit(name, places)),
        of=text(pl.col("net")),
        share=pl.when(pl.col(name).struct.field("prorate"))
        .then(shares.text())
        .otherwise(pl.lit("1/1")),
    )
