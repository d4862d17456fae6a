"""The most and the least that an item costs in a period, and what it has committed to."""

import polars as pl

from meterhouse.pricing.modifiers import shares
from meterhouse.pricing.modifiers.lines import Places
from meterhouse.pricing.modifiers.terms import field, zero
from meterhouse.pricing.steps import spelled, text

# A period that a change cuts has several windows, and one limit: sums over them up to each.
_PERIOD = ("contract_id", "item_id", "period_start_on")


def with_sums(charges: pl.DataFrame, name: str, places: Places) -> pl.DataFrame:
    """The charges, in order of time, with what their period has come to and may come to so far.

    `so_far` is the net of the item's windows of the period up to this one, `limit_so_far` the share
    of the limit that they have, rounded once.
    """
    prorate, full = pl.col(name).struct.field("prorate"), field(name, "amount")
    cut = shares.part(full, prorate).cum_sum().over(_PERIOD)
    return charges.with_columns(
        so_far=pl.col("net").cum_sum().over(_PERIOD),
        limit_so_far=places(pl.when(prorate).then(pl.min_horizontal(cut, full)).otherwise(full)),
    )


def _over() -> pl.Expr:
    return pl.max_horizontal(pl.col("so_far") - pl.col("limit_so_far"), zero())


def _of_this(total: pl.Expr) -> pl.Expr:
    """What this window adds to a total of the period."""
    return total - total.shift(1).over(_PERIOD).fill_null(0)


def _short() -> pl.Expr:
    """What the whole period is short of; on its last window only, zero before."""
    short = pl.col("limit_so_far") - pl.col("so_far")
    return pl.when((short > 0) & pl.col("is_period_last")).then(short).otherwise(zero())


def maximum(_: Places) -> pl.Expr:
    """What takes the net of the period down to the maximum. It always holds, also mid-period."""
    return -_of_this(_over())


def minimum(_: Places) -> pl.Expr:
    """What brings the net of the period up to the minimum."""
    return _short()


def overage(places: Places) -> pl.Expr:
    """What the excess over the item's commitment costs beside its price."""
    excess = _over()
    return _of_this(places(excess * field("commitment", "overage_factor")) - excess)


def shortfall(_: Places) -> pl.Expr:
    """What the item's commitment is short of, where it is charged."""
    return pl.when(pl.col("commitment").struct.field("true_up")).then(_short()).otherwise(zero())


def step(kind: str, name: str) -> pl.Expr:
    """The step of one of them as canonical JSON: the net before, the limit and its share."""
    return spelled(
        kind,
        amount=text(pl.col("line_amount")),
        full=text(field(name, "amount")),
        limit=text(pl.col("limit_so_far")),
        of=text(pl.col("so_far")),
        share=pl.when(pl.col(name).struct.field("prorate"))
        .then(shares.text())
        .otherwise(pl.lit("1/1")),
    )
