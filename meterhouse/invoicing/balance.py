"""What customers have to their credit pays documents: after prepaid credit, lot by lot.

A wallet is what one customer has with one entity in one currency; its lots are used in the order of
grants (docs/credits.md). A document is a use at its boundary, and a lot pays any document that is
made while it is there, whatever its date.
"""

from datetime import UTC, date, datetime, time

import polars as pl

from meterhouse.canonical_columns import array_over_rows, object_of, string
from meterhouse.entitlements.drawdown import draw
from meterhouse.entitlements.grants import GRANTS, USES
from meterhouse.money import AMOUNT
from meterhouse.periods import INSTANT

WALLET = ("entity_id", "customer_id", "currency")
# One row per lot of which something is left: `amount` is that, `expires_on` the first day on which
# it is used no more, `source` where it came from.
LOTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "lot_id": pl.String,
    **dict.fromkeys(WALLET, pl.String),
    "amount": AMOUNT,
    "moved_on": pl.Date,
    "priority": pl.Int64,
    "expires_on": pl.Date,
    "source": pl.String,
}
# One row per document and lot that pays (a part of) it; `lot_on` is the day of the lot.
DRAWS: dict[str, pl.DataType | type[pl.DataType]] = {
    "draft_id": pl.String,
    "lot_id": pl.String,
    **dict.fromkeys(WALLET, pl.String),
    "amount": AMOUNT,
    "source": pl.String,
    "lot_on": pl.Date,
}
_ZERO = pl.lit(0, dtype=AMOUNT)
_NEVER = pl.lit(None, dtype=AMOUNT)
_LAST = datetime.combine(date(9999, 12, 30), time(), UTC)
_FIRST = datetime(1, 1, 2, tzinfo=UTC)


def draws(heads: pl.DataFrame, paid: pl.DataFrame, lots: pl.DataFrame) -> pl.DataFrame:
    """What each lot (LOTS) pays of each document, columns of DRAWS.

    `heads` are documents (draft_id, entity_id, customer_id, currency, boundary_on, total), `paid`
    what prepaid credit pays of them (draft_id, amount).
    """
    if lots.is_empty() or heads.is_empty():
        return pl.DataFrame(schema=DRAWS)
    burned = draw(_grants(lots), _uses(heads, paid), _LAST, by_turn=True).burned
    drawn = burned.group_by("use_id", "grant_id").agg(amount=pl.col("quantity").sum())
    named = drawn.rename({"use_id": "draft_id", "grant_id": "lot_id"}).join(
        lots.drop("amount").rename({"moved_on": "lot_on"}), on="lot_id"
    )
    return named.select(pl.col(name).cast(kind) for name, kind in DRAWS.items()).sort(
        "draft_id", "lot_id"
    )


def taken(lots: pl.DataFrame, amount: pl.Expr) -> pl.DataFrame:
    """What is taken of each lot for one sum, in the order of use: the lots with `taken`."""
    ordered = lots.sort("priority", "expires_on", "moved_on", "lot_id", nulls_last=True)
    before = pl.col("amount").cum_sum().shift(1, fill_value=0).cast(AMOUNT)
    rest = pl.max_horizontal(amount.cast(AMOUNT) - before, _ZERO)
    return ordered.with_columns(taken=pl.min_horizontal("amount", rest)).filter(pl.col("taken") > 0)


def _wallet() -> pl.Expr:
    return pl.concat_str(*WALLET, separator="|")


def _uses(heads: pl.DataFrame, paid: pl.DataFrame) -> pl.DataFrame:
    """One row per document with something left to pay, in the order of time."""
    sums = paid.group_by("draft_id").agg(prepaid=pl.col("amount").sum())
    due = pl.col("total") - pl.col("prepaid").fill_null(_ZERO)
    open_heads = (
        heads.select("draft_id", *WALLET, "boundary_on", "total")
        .join(sums, on="draft_id", how="left")
        .with_columns(quantity=due.cast(AMOUNT))
        .filter(pl.col("quantity") > 0)
        .sort("boundary_on", "draft_id")
    )
    named = open_heads.select(
        "quantity",
        customer_id=_wallet(),
        unit=pl.lit("money"),
        use_id="draft_id",
        use_no=pl.int_range(pl.len(), dtype=pl.Int64),
        item_id=pl.lit(""),
        at=_instant(pl.col("boundary_on")),
    )
    return named.select(pl.col(name).cast(kind) for name, kind in USES.items())


def _grants(lots: pl.DataFrame) -> pl.DataFrame:
    named = lots.filter(pl.col("amount") > 0).with_columns(
        customer_id=_wallet(),
        unit=pl.lit("money"),
        grant_id="lot_id",
        kind=pl.lit("paid"),
        priority=pl.col("priority").fill_null(50),
        effective_at=pl.lit(_FIRST, dtype=INSTANT),
        expires_at=_instant(pl.col("expires_on")),
        voided_at=pl.lit(None, dtype=INSTANT),
        # What was given for nothing is used first.
        cost_basis=pl.when(pl.col("source") == "adjustment").then(0).otherwise(1).cast(AMOUNT),
        items=pl.lit([], dtype=pl.List(pl.String)),
        granted_at=_instant(pl.col("moved_on")),
        rollover_min=_NEVER,
        rollover_max=_NEVER,
        preserve_overage=pl.lit(value=False),
    )
    return named.select(pl.col(name).cast(kind) for name, kind in GRANTS.items())


def _instant(day_of: pl.Expr) -> pl.Expr:
    return day_of.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def with_draws(heads: pl.DataFrame, drawn: pl.DataFrame) -> pl.DataFrame:
    """The documents with `balance`, the sum that lots pay, and `balance_by`: JSON of which do."""
    padded = pl.col("amount").cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    row = object_of(
        {
            "amount": string(pl.col("text")),
            "lot": string(pl.col("lot_id")),
            "source": string(pl.col("source")),
        }
    )
    told = (
        drawn.sort("draft_id", "lot_id")
        .with_columns(text=padded)
        .select("draft_id", "amount", row=row)
        .group_by("draft_id", maintain_order=True)
        .agg(balance=pl.col("amount").sum(), balance_by=array_over_rows(pl.col("row")))
    )
    joined = heads.join(told, on="draft_id", how="left")
    return joined.with_columns(pl.col("balance").fill_null(_ZERO).cast(AMOUNT))
