"""Entries taken back: the same lines with their sides changed, in an entry that names the first."""

import polars as pl

from meterhouse.canonical_columns import array_of, short_sha256, string
from meterhouse.ledger.accounts import REVERSED
from meterhouse.ledger.journal import ENTRY, ENTRY_LINE

_SWAPPED = {
    "debit": "credit",
    "credit": "debit",
    "debit_base": "credit_base",
    "credit_base": "debit_base",
}


def reversed_entries(
    entries: pl.DataFrame, lines: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One entry for each of `entries`, with `reversal_of`, and the lines with their sides changed.

    Entries have the columns of ENTRY, of which `event_date` and `posting_date` are already those of
    the reversal; lines those of ENTRY_LINE. An event's reversal is an event of its own (REVERSED).
    """
    causes = entries.select(
        "entry_id", cause=array_of(string(pl.lit("reversal")), string(pl.col("entry_id")))
    )
    ids = causes.with_columns(short_sha256(causes["cause"]).alias("new_id"))
    heads = entries.drop("cause", "reversal_of").join(ids, on="entry_id", validate="1:1")
    made = heads.with_columns(
        reversal_of="entry_id",
        entry_id="new_id",
        event=pl.col("event").replace_strict(
            REVERSED, default=pl.format("{}.reversed", "event"), return_dtype=pl.String
        ),
    )
    swapped = lines.join(ids, on="entry_id").with_columns(
        entry_id="new_id", **{name: pl.col(other) for name, other in _SWAPPED.items()}
    )
    ordered = swapped.select(list(ENTRY_LINE)).sort("entry_id", "line_no")
    return made.select(list(ENTRY)).sort("posting_date", "entry_id"), ordered
