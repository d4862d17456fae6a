"""Journal entries from the legs of what happened, by the posting rules."""

import polars as pl

from meterhouse.canonical_columns import short_sha256
from meterhouse.ledger.accounts import rules
from meterhouse.money import AMOUNT

ENTRY: dict[str, pl.DataType | type[pl.DataType]] = {
    "entry_id": pl.String,
    "entity_id": pl.String,
    "event": pl.String,
    "event_date": pl.Date,
    "posting_date": pl.Date,
    "currency": pl.String,
    "base_currency": pl.String,
    "fx_rate": AMOUNT,
    "document_id": pl.String,
    "cause": pl.String,
    "reversal_of": pl.String,
}
ENTRY_LINE: dict[str, pl.DataType | type[pl.DataType]] = {
    "entry_id": pl.String,
    "line_no": pl.Int64,
    "account": pl.String,
    "debit": AMOUNT,
    "credit": AMOUNT,
    "debit_base": AMOUNT,
    "credit_base": AMOUNT,
    "customer_id": pl.String,
    "contract_id": pl.String,
    "item_id": pl.String,
    "line_key": pl.String,
    "window_start_on": pl.Date,
    "window_end_on": pl.Date,
}
SIDES = ("debit", "credit", "debit_base", "credit_base")
_HEAD = ("event", "entity_id", "event_date", "posting_date", "currency", "document_id")
_ABOUT = (
    *("customer_id", "contract_id", "item_id", "line_key"),
    *("window_start_on", "window_end_on"),
)
# What a leg names: the cause and head of its entry, what it is, how much, and whom it is about.
LEG: dict[str, pl.DataType | type[pl.DataType]] = {
    "cause": pl.String,
    **{name: ENTRY[name] for name in _HEAD},
    "leg": pl.String,
    "amount": AMOUNT,
    "line_no": pl.Int64,
    **{name: ENTRY_LINE[name] for name in _ABOUT},
}


def legs(frame: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """The frame as legs: the columns of LEG, null where neither it nor `columns` has them."""
    made = frame.with_columns(**columns)
    return made.select(
        (pl.col(name) if name in made.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in LEG.items()
    )


def journal(parts: list[pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One entry per cause and its lines; legs of zero, and entries without legs, are left out.

    A negative amount goes to the other side of its rule, so debit and credit are never negative.
    The currency is the entity's base currency for now: the rate is 1 and both amounts are equal.
    """
    moved = pl.concat(parts).filter(pl.col("amount") != 0)
    ids = pl.DataFrame({"cause": moved["cause"].unique()})
    ids = ids.with_columns(short_sha256(ids["cause"]).alias("entry_id"))
    placed = moved.join(rules(), on=["event", "leg"], how="left").join(ids, on="cause", how="left")
    return _entries(placed), _lines(placed)


def unbalanced(entries: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Entries whose debits and credits differ in either currency, and lines without an entry."""
    sums = lines.group_by("entry_id").agg(pl.col(*SIDES).sum(), has_lines=pl.lit(True))
    known = entries.select("entry_id", is_entry=pl.lit(True))
    joined = known.join(sums, on="entry_id", how="full", coalesce=True)
    is_wrong = (
        pl.col("is_entry").is_null()
        | pl.col("has_lines").is_null()
        | (pl.col("debit") != pl.col("credit"))
        | (pl.col("debit_base") != pl.col("credit_base"))
    )
    return joined.filter(is_wrong).select("entry_id", *SIDES).sort("entry_id")


def _entries(placed: pl.DataFrame) -> pl.DataFrame:
    heads = placed.unique("entry_id", keep="first", maintain_order=True).with_columns(
        base_currency=pl.col("currency"),
        fx_rate=pl.lit(1).cast(AMOUNT),
        reversal_of=pl.lit(None, pl.String),
    )
    return heads.select(list(ENTRY)).sort("posting_date", "entry_id")


def _lines(placed: pl.DataFrame) -> pl.DataFrame:
    """Lines in the order of the document; of one document line, in the order of the rules."""
    amount = pl.col("amount")
    is_debit = (pl.col("side") == "debit") == (amount > 0)
    zero = pl.lit(0).cast(AMOUNT)
    sided = placed.with_columns(
        debit=pl.when(is_debit).then(amount.abs()).otherwise(zero),
        credit=pl.when(is_debit).then(zero).otherwise(amount.abs()),
    )
    return (
        sided.sort("entry_id", "line_no", "place")
        .with_columns(
            line_no=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("entry_id"),
            debit_base=pl.col("debit"),
            credit_base=pl.col("credit"),
        )
        .select(list(ENTRY_LINE))
    )
