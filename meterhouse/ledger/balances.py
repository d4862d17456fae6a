"""The entries of what customers have to their credit: lots, and what becomes of them."""

import polars as pl

from meterhouse.canonical_columns import array_of, string
from meterhouse.ledger import accounts
from meterhouse.ledger.journal import journal, legs

# By what is moved: a lot and an expiry also by where the lot came from.
_EVENTS = {
    "lot|credit_note": accounts.BALANCE_ADDED,
    "lot|deposit": accounts.BALANCE_DEPOSITED,
    "lot|adjustment": accounts.BALANCE_ADJUSTED,
    "expiry|credit_note": accounts.BALANCE_EXPIRED,
    "expiry|deposit": accounts.BALANCE_EXPIRED,
    "expiry|adjustment": accounts.ADJUSTMENT_EXPIRED,
}
_OF_ANY = {"draw": accounts.BALANCE_APPLIED, "refund": accounts.BALANCE_REFUNDED}


def balance_entries(moves: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One balanced entry per move, and their lines.

    Moves: move_id, kind (lot, draw, refund, expiry), source (of the lot), entity_id, customer_id,
    currency, amount, moved_on, posting_date, document_id. The source of each rule:
    docs/balances.md.
    """
    by_source = pl.concat_str("kind", "source", separator="|").replace_strict(
        _EVENTS, default=None, return_dtype=pl.String
    )
    event = pl.coalesce(
        pl.col("kind").replace_strict(_OF_ANY, default=None, return_dtype=pl.String), by_source
    )
    named = moves.with_columns(event=event).with_columns(
        cause=array_of(string(pl.col("event")), string(pl.col("move_id"))),
        event_date="moved_on",
    )
    return journal(
        [
            legs(named, leg=pl.lit(leg), line_no=pl.lit(number))
            for number, leg in enumerate(("from", "to"))
        ]
    )
