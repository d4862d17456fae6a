"""Money that was bought before pays documents: after tax, lot by lot, document by document.

A document is a use at its boundary. What a lot of a contract holds, only that contract's part of a
document uses; what a document sells of such money it cannot pay with it.
"""

from datetime import UTC, date, datetime, time

import polars as pl

from meterhouse.canonical_columns import array_over_rows, day, object_of, string
from meterhouse.entitlements.drawdown import draw
from meterhouse.entitlements.grants import GRANTS, USES
from meterhouse.invoicing.allocation import allocated
from meterhouse.money import AMOUNT, PLACES
from meterhouse.periods import INSTANT

CREDIT_SALE = "credit_sale"
# One row per lot that may pay: what is left of it (before these documents), and its terms.
LOTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract_id": pl.String,
    "grant_id": pl.String,
    "lot_on": pl.Date,
    "amount": AMOUNT,
    "priority": pl.Int64,
    "expires_on": pl.Date,
}
# One row per document and lot that pays (a part of) it.
PAYMENTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "draft_id": pl.String,
    "contract_id": pl.String,
    "grant_id": pl.String,
    "lot_on": pl.Date,
    "amount": AMOUNT,
}
_ZERO = pl.lit(0, dtype=AMOUNT)
_SEPARATOR = "|"


def payments(heads: pl.DataFrame, lines: pl.DataFrame, lots: pl.DataFrame) -> pl.DataFrame:
    """What each lot pays of each document, columns of PAYMENTS.

    `heads` are documents (draft_id, currency, boundary_on, total, untaxed), `lines` theirs
    (draft_id, contract_id, role, amount), `lots` as LOTS, with what these documents sell.
    """
    if lots.is_empty() or heads.is_empty():
        return pl.DataFrame(schema=PAYMENTS)
    concerned = lines.join(lots, on="contract_id", how="semi").select("draft_id").unique()
    # What a document owes for other contracts is theirs to pay.
    own = lines.join(concerned, on="draft_id", how="semi")
    uses = _uses(heads, own).join(lots, left_on="customer_id", right_on="contract_id", how="semi")
    grants = _grants(lots)
    as_of = datetime.combine(date(9999, 12, 30), time(), UTC)
    burned = draw(grants, uses, as_of, by_turn=True).burned
    parts = pl.col("grant_id").str.split_exact(_SEPARATOR, 1).struct
    return (
        burned.group_by("customer_id", "grant_id", "use_id")
        .agg(amount=pl.col("quantity").sum())
        .with_columns(
            draft_id="use_id",
            contract_id="customer_id",
            grant_id=parts.field("field_1"),
            lot_on=parts.field("field_0").str.to_date("%Y-%m-%d"),
        )
        .select(pl.col(name).cast(kind) for name, kind in PAYMENTS.items())
        .sort("draft_id", "contract_id", "lot_on", "grant_id")
    )


def _uses(heads: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """One row per document and contract with lots: what of it may be paid, in the order of time."""
    is_sale = pl.col("role") == CREDIT_SALE
    weight = pl.when(is_sale).then(_ZERO).otherwise("amount").sum()
    mine = lines.group_by("draft_id", "contract_id").agg(weight=pl.max_horizontal(weight, _ZERO))
    others = heads.select(
        *("draft_id", "currency", "boundary_on"),
        # Less what it sells, and never more than is due where it takes a sale back.
        amount=pl.min_horizontal(pl.col("total") - pl.col("untaxed"), "total"),
    ).filter(pl.col("amount") > 0)
    placed = mine.join(others, on="draft_id").with_columns(
        places=pl.col("currency").replace_strict(dict(PLACES), return_dtype=pl.Int64)
    )
    shared = allocated(placed.sort("draft_id", "contract_id"), by=["draft_id"])
    ordered = shared.sort("boundary_on", "draft_id", "contract_id").with_columns(
        customer_id="contract_id",
        unit=pl.lit("money"),
        use_id="draft_id",
        use_no=pl.int_range(pl.len(), dtype=pl.Int64),
        item_id=pl.lit(""),
        at=_instant(pl.col("boundary_on")),
        quantity="share",
    )
    return ordered.select(pl.col(name).cast(kind) for name, kind in USES.items())


def _grants(lots: pl.DataFrame) -> pl.DataFrame:
    never = pl.lit(None, dtype=AMOUNT)
    named = lots.filter(pl.col("amount") > 0).with_columns(
        customer_id="contract_id",
        unit=pl.lit("money"),
        grant_id=pl.concat_str(pl.col("lot_on").dt.to_string("%Y-%m-%d"), "grant_id",
                               separator=_SEPARATOR),
        kind=pl.lit("paid"),
        effective_at=_instant(pl.col("lot_on")),
        # The document of its last day ends what was used before.
        expires_at=_instant(pl.col("expires_on") + pl.duration(days=1)),
        voided_at=pl.lit(None, dtype=INSTANT),
        cost_basis=pl.lit(1, dtype=AMOUNT),
        items=pl.lit([], dtype=pl.List(pl.String)),
        granted_at=_instant(pl.col("lot_on")),
        rollover_min=never,
        rollover_max=never,
        preserve_overage=pl.lit(value=False),
    )  # fmt: skip
    return named.select(pl.col(name).cast(kind) for name, kind in GRANTS.items())


def _instant(day_of: pl.Expr) -> pl.Expr:
    return day_of.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def with_payments(heads: pl.DataFrame, paid: pl.DataFrame) -> pl.DataFrame:
    """The documents with `prepaid`, the sum that lots pay, and `prepaid_by`: JSON of who does."""
    row = object_of(
        {
            "amount": string(pl.col("text")),
            "contract": string(pl.col("contract_id")),
            "grant": string(pl.col("grant_id")),
            "granted_on": day(pl.col("lot_on")),
        }
    )
    padded = pl.col("amount").cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    told = (
        paid.sort("draft_id", "contract_id", "lot_on", "grant_id")
        .with_columns(text=padded)
        .select("draft_id", "amount", row=row)
        .group_by("draft_id", maintain_order=True)
        .agg(prepaid=pl.col("amount").sum(), prepaid_by=array_over_rows(pl.col("row")))
    )
    joined = heads.join(told, on="draft_id", how="left")
    return joined.with_columns(pl.col("prepaid").fill_null(_ZERO).cast(AMOUNT))
