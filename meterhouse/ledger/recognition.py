"""Revenue of fees billed in advance, earned day by day over the days that were served."""

from datetime import date, timedelta

import polars as pl

from meterhouse.canonical_columns import array_of, string
from meterhouse.ledger.accounts import REVENUE_RECOGNISED
from meterhouse.ledger.journal import journal, legs
from meterhouse.money import AMOUNT, rounded


def recognise(
    advance_lines: pl.DataFrame, recognised: pl.DataFrame, cut_off: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One entry per document line that earned something before `cut_off`, and the entries' lines.

    Advance lines, in the order in which they were billed: document_id, line_key, entity_id,
    customer_id, contract_id, item_id, currency, amount, window_start_on, window_end_on,
    served_end_on, posting_date. Recognised so far: document_id, line_key, recognised. A line posted
    at or after the cut-off waits for a later one.
    """
    posted = advance_lines.filter(pl.col("posting_date") < cut_off)
    so_far = recognised.select("document_id", "line_key", "recognised")
    due = posted.join(
        so_far, on=["document_id", "line_key"], how="left", maintain_order="left"
    ).with_columns(
        amount=_earned(cut_off) - pl.col("recognised").fill_null(0),
        cause=_cause(cut_off),
        event=pl.lit(REVENUE_RECOGNISED),
        event_date=pl.lit(cut_off - timedelta(days=1)),
        posting_date=pl.lit(cut_off - timedelta(days=1)),
    )
    return journal([legs(due, leg=pl.lit("deferred")), legs(due, leg=pl.lit("earned"))])


def _earned(cut_off: date) -> pl.Expr:
    """What a document line adds to what its key has earned before the cut-off, rounded.

    The key as a whole earns the rounded part that the days before the cut-off are of all that were
    served. Where service ended is what its newest line says: a fee that a change cuts is earned
    when it ends, and what was credited of it is not earned later. Rounding running totals, not
    each step, gives the last period and the last line whatever is left.
    """
    total = pl.col("amount").cum_sum().over("line_key")
    return _part(total, cut_off) - _part(total - pl.col("amount"), cut_off)


def _part(amount: pl.Expr, cut_off: date) -> pl.Expr:
    """The rounded part of an amount that was earned before the cut-off.

    The quotient is rounded at 18 places first, which cannot move it over a half: a half is farther
    than 1e-11 away for any span shorter than a million days.
    """
    starts, ends = pl.col("window_start_on"), pl.col("served_end_on").last().over("line_key")
    days = pl.max_horizontal((ends - starts).dt.total_days(), 1)
    elapsed = (pl.lit(cut_off) - starts).dt.total_days().clip(0, days)
    # exact: see above; whole days, one division, last.
    part = amount * elapsed.cast(AMOUNT) / days.cast(AMOUNT)
    return rounded(part, pl.col("currency"))


def _cause(cut_off: date) -> pl.Expr:
    names = (pl.lit(REVENUE_RECOGNISED), pl.col("document_id"), pl.col("line_key"))
    return array_of(*(string(name) for name in names), string(pl.lit(cut_off.isoformat())))
