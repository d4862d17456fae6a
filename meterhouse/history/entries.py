"""The entries of a history: those of the old ledger, and one for each thing that is left open."""

from collections.abc import Mapping

import polars as pl

from meterhouse.canonical_columns import array_of, short_sha256, string
from meterhouse.history.control import CONTROLS
from meterhouse.history.openings import document_ids, opening_ids
from meterhouse.ledger.accounts import HISTORY_OPENED
from meterhouse.ledger.journal import ENTRY, ENTRY_LINE, journal, legs
from meterhouse.money import AMOUNT

Files = Mapping[str, pl.DataFrame]
IMPORTED = "history.imported"
# What each file opens: the leg of its account, and that of where it comes from.
_LEGS = {"open_items": "owed", "deferred_schedules": "unearned", "wallet_lots": "unused"}


def opening_entries(files: Files) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Entries and lines, columns of ENTRY and ENTRY_LINE.

    Each open item, schedule and lot is an entry of its own, so that later ones find it. It comes
    from account `opening_balances`, or where the entity has a journal from that journal's balance
    of the same account, which then is told in detail and nothing else.
    """
    told = files["journal"].select("entity").unique().with_columns(has_journal=True)
    days = files["cut_over"].select("entity", "cut_over_on").join(told, on="entity", how="left")
    parts = [part for name in _LEGS for part in _opened(name, files[name], days)]
    opened = journal(parts)
    given = _given(files["journal"], days)
    return pl.concat([opened[0], given[0]]), pl.concat([opened[1], given[1]])


def _opened(name: str, frame: pl.DataFrame, days: pl.DataFrame) -> list[pl.DataFrame]:
    ids = document_ids(frame) if name == "open_items" else opening_ids(name, frame)
    heads = frame.with_columns(ids.alias("document_id")).join(days, on="entity").with_columns(
        cause=array_of(string(pl.lit(HISTORY_OPENED)), string(pl.col("document_id"))),
        event=pl.lit(HISTORY_OPENED),
        entity_id="entity",
        event_date="cut_over_on",
        posting_date="cut_over_on",
    )  # fmt: skip
    about = _ABOUT[name]
    own = legs(heads, leg=pl.lit(_LEGS[name]), line_no=pl.lit(1), **about)
    nobody = {column: pl.lit(None) for column in about if column != "amount"}
    leg = pl.when("has_journal").then(pl.lit(f"{_LEGS[name]}_before"))
    source = leg.otherwise(pl.lit(f"{_LEGS[name]}_opening"))
    other = legs(heads, leg=source, line_no=pl.lit(2), **{**about, **nobody})
    return [own, other]


_ABOUT: dict[str, dict[str, pl.Expr]] = {
    "open_items": {"amount": pl.col("open_amount"), "customer_id": pl.col("customer")},
    "deferred_schedules": {
        "amount": pl.col("amount"),
        "customer_id": pl.col("payer_id"),
        "contract_id": pl.col("contract"),
        "item_id": pl.col("item"),
        "line_key": pl.col("document_id"),
        "window_start_on": pl.col("from"),
        "window_end_on": pl.col("to"),
    },
    "wallet_lots": {
        "amount": pl.col("amount"),
        "customer_id": pl.col("payer_id"),
        "contract_id": pl.col("contract"),
        "item_id": pl.col("grant"),
        "window_start_on": pl.col("lot_on"),
        "window_end_on": pl.col("lot_on") + pl.duration(days=1),
    },
}


def _given(lines: pl.DataFrame, days: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The entries of the old ledger as they were; accounts that are told in detail name nobody."""
    key = array_of(*(string(pl.lit(IMPORTED)), *(string(pl.col(c)) for c in _ENTRY_KEY)))
    named = lines.with_columns(cause=key).join(days, on="entity", maintain_order="left")
    ids = short_sha256(named["cause"])
    day = pl.coalesce("posting_date", "cut_over_on")
    amounts = [pl.col(side).fill_null(0).cast(AMOUNT) for side in ("debit", "credit")]
    rows = named.with_columns(
        entry_id=ids, entity_id="entity", event=pl.lit(IMPORTED), event_date=day, posting_date=day,
        base_currency="currency", fx_rate=pl.lit(1).cast(AMOUNT),
        line_no=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("cause"),
        debit=amounts[0], credit=amounts[1], debit_base=amounts[0], credit_base=amounts[1],
        customer_id=pl.when(~pl.col("account").is_in(list(CONTROLS))).then("customer"),
    ).filter((pl.col("debit") != 0) | (pl.col("credit") != 0))  # fmt: skip
    heads = rows.unique("entry_id", keep="first", maintain_order=True)
    return _as(heads, ENTRY), _as(rows, ENTRY_LINE)


_ENTRY_KEY = ("entity", "entry", "currency")


def _as(
    frame: pl.DataFrame, columns: Mapping[str, pl.DataType | type[pl.DataType]]
) -> pl.DataFrame:
    """The frame with these columns, null where it has them not."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in columns.items()
    )
