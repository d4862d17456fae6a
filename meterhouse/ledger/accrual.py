"""Usage delivered before a cut-off and not yet invoiced: a receivable without a document."""

from datetime import date, timedelta

import polars as pl

from meterhouse.canonical_columns import array_of, string
from meterhouse.ledger.accounts import ACCRUAL_CLEARED, USAGE_ACCRUED
from meterhouse.ledger.journal import journal, legs
from meterhouse.money import AMOUNT

_CONTEXT = (
    *("entity_id", "customer_id", "contract_id", "item_id", "currency"),
    *("window_start_on", "window_end_on"),
)


def accrue(
    delivered: pl.DataFrame,
    accrued: pl.DataFrame,
    cut_off: date,
    invoiced_after: pl.DataFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The entries that bring each line key's accrual to its value at `cut_off`, and their lines.

    Delivered: line_key, value (rounded; 0 for what was invoiced before the cut-off) and the
    columns of _CONTEXT. Accrued: line_key, accrued (the balance from entries posted before the
    cut-off) and the same columns. Invoiced_after: line_key, posting_date of documents already
    issued and posted at or after the cut-off. Issuing cleared only what was accrued by then, so
    the amount posted here for such a key is taken back at its document's posting date.
    """
    moved = _moved(delivered, accrued).with_columns(
        cause=_cause(USAGE_ACCRUED, cut_off),
        event=pl.lit(USAGE_ACCRUED),
        event_date=pl.lit(cut_off - timedelta(days=1)),
        posting_date=pl.lit(cut_off - timedelta(days=1)),
    )
    dates = invoiced_after.filter(pl.col("posting_date") >= cut_off)
    dates = dates.group_by("line_key").agg(pl.col("posting_date").min())
    cleared = (
        moved.drop("posting_date")
        .join(dates, on="line_key", how="inner")
        .with_columns(
            cause=_cause(ACCRUAL_CLEARED, cut_off),
            event=pl.lit(ACCRUAL_CLEARED),
            event_date=pl.col("posting_date"),
        )
    )
    return journal(
        [
            legs(frame, leg=pl.lit(leg), line_no=pl.lit(1))
            for frame in (moved, cleared)
            for leg in ("accrued", "earned")
        ]
    )


def _moved(delivered: pl.DataFrame, accrued: pl.DataFrame) -> pl.DataFrame:
    """One row per line key: value, accrued and `amount`, what is to be posted."""
    wanted = delivered.select("line_key", *_CONTEXT, pl.col("value").cast(AMOUNT))
    known = accrued.select("line_key", *_CONTEXT, pl.col("accrued").cast(AMOUNT))
    joined = wanted.join(known, on="line_key", how="full", coalesce=True, suffix="_known")
    return joined.select(
        "line_key",
        *(pl.coalesce(name, f"{name}_known").alias(name) for name in _CONTEXT),
        pl.col("value").fill_null(0),
        pl.col("accrued").fill_null(0),
    ).with_columns(amount=pl.col("value") - pl.col("accrued"))


def _cause(event: str, cut_off: date) -> pl.Expr:
    """Names the step from one balance to another: a second close with later usage is another."""
    names = (pl.lit(event), pl.col("line_key"), pl.lit(cut_off.isoformat()))
    return array_of(*(string(name) for name in (*names, pl.col("accrued"), pl.col("value"))))
