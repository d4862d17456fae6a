"""The entry that issuing a document posts."""

import polars as pl

from meterhouse.canonical_columns import array_of, string
from meterhouse.ledger.accounts import DOCUMENT_ISSUED, PREPAID_APPLIED
from meterhouse.ledger.journal import journal, legs, unbalanced
from meterhouse.money import AMOUNT

__all__ = ["entries", "unbalanced"]

# After the last line of any document.
_LAST = 2**31
# The role of lines that sell money: nothing is earned by them.
CREDIT_SALE = "credit_sale"
# Components of lines that sell money with its tax, and that it pays: no revenue is less for them.
VOUCHER_COMPONENTS = ("voucher_sale", "voucher")


def entries(
    documents: pl.DataFrame,
    lines: pl.DataFrame,
    accrued: pl.DataFrame,
    prepaid: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One balanced entry per issued document, one for what prepaid money pays of it, and lines.

    Documents: document_id, entity_id, customer_id, contract_id, currency, invoice_date, tax, total
    and, if it differs from the invoice date, posting_date. Lines: document_id, line_no, line_key,
    contract_id, item_id, timing, is_correction, amount, window_start_on, window_end_on. Accrued:
    line_key and the accrued amount still open, which a first line in arrears clears. Prepaid:
    draft_id, contract_id, grant_id, lot_on, amount, which pays a document in an entry of its own.
    """
    heads = _heads(documents, DOCUMENT_ISSUED)
    never = pl.lit(value=False)
    is_sold = pl.col("role") == CREDIT_SALE if "role" in lines.columns else never
    # Of a credit note by hand the component says what it takes back.
    is_voucher = (
        pl.col("component").is_in(VOUCHER_COMPONENTS) if "component" in lines.columns else never
    )
    earned, advance = _lines(lines.filter(~is_sold & ~is_voucher), accrued, heads)
    bought, used = (_bare(lines.filter(which), heads) for which in (is_sold, is_voucher))
    about_nothing = {"line_key": pl.lit(None, pl.String), "item_id": pl.lit(None, pl.String)}
    total = legs(
        heads, leg=pl.lit("total"), amount=pl.col("total"), line_no=pl.lit(0), **about_nothing
    )
    tax = legs(
        heads, leg=pl.lit("tax"), amount=pl.col("tax"), line_no=pl.lit(_LAST), **about_nothing
    )
    cleared = legs(earned, leg=pl.lit("accrued"), amount=pl.col("open"))
    revenue = legs(earned, leg=pl.lit("earned"), amount=pl.col("amount") - pl.col("open"))
    deferred = legs(advance, leg=pl.lit("advance"))
    sold = legs(bought, leg=pl.lit("sold"))
    vouchers = legs(used, leg=pl.lit("voucher"))
    own = [total, cleared, revenue, deferred, sold, vouchers, tax]
    return journal([*own, *_applied(documents, prepaid)])


def _applied(documents: pl.DataFrame, prepaid: pl.DataFrame | None) -> list[pl.DataFrame]:
    """Money that was bought before pays its part of the receivable."""
    if prepaid is None or prepaid.is_empty():
        return []
    heads = _heads(documents, PREPAID_APPLIED).drop("contract_id")
    paid = prepaid.sort("draft_id", "contract_id", "lot_on", "grant_id").select(
        "contract_id",
        "amount",
        document_id="draft_id",
        item_id="grant_id",
        window_start_on="lot_on",
        window_end_on=pl.col("lot_on") + pl.duration(days=1),
    )
    joined = heads.join(paid, on="document_id")
    number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("document_id")
    return [legs(joined, leg=pl.lit(leg), line_no=number) for leg in ("applied", "settled")]


def _heads(documents: pl.DataFrame, event: str) -> pl.DataFrame:
    posted = "posting_date" if "posting_date" in documents.columns else "invoice_date"
    cause = array_of(string(pl.lit(event)), string(pl.col("document_id")))
    return documents.with_columns(
        cause=cause,
        event=pl.lit(event),
        event_date=pl.col("invoice_date"),
        posting_date=pl.col(posted),
    )


def _lines(
    lines: pl.DataFrame, accrued: pl.DataFrame, heads: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines in arrears with the accrual they clear (`open`), and lines in advance."""
    head = ("cause", "event", "entity_id", "event_date", "posting_date", "currency", "customer_id")
    own = lines.with_columns(_item_of(lines)).select(
        *("document_id", "line_no", "line_key", "contract_id", "item_id", "timing"),
        *("is_correction", "amount", "window_start_on", "window_end_on"),
    )
    named = own.join(heads.select("document_id", *head), on="document_id", how="inner")
    is_advance = pl.col("timing") == "advance"
    cleared = pl.when("is_correction").then(0).otherwise(pl.col("accrued").fill_null(0))
    earned = (
        named.filter(~is_advance)
        .join(accrued.select("line_key", "accrued"), on="line_key", how="left")
        .with_columns(open=cleared.cast(AMOUNT))
    )
    return earned, named.filter(is_advance)


def _bare(lines: pl.DataFrame, heads: pl.DataFrame) -> pl.DataFrame:
    """Lines that neither earn nor clear anything."""
    nothing = pl.DataFrame(schema={"line_key": pl.String, "accrued": AMOUNT})
    earned, advance = _lines(lines, nothing, heads)
    return pl.concat([earned.drop("accrued", "open"), advance])


def _item_of(lines: pl.DataFrame) -> pl.Expr:
    """The item whose revenue a line is: what a contract takes off an item is less of its own."""
    if "role" not in lines.columns:
        return pl.col("item_id")
    about = pl.col("dimensions").str.json_path_match("$.item")
    taken_off = pl.col("role").is_in(["discount", "credit"])
    return (
        pl.when(taken_off).then(pl.coalesce(about, "item_id")).otherwise("item_id").alias("item_id")
    )
