"""Taxes of a document in the currency in which its seller accounts for them, where it is another.

That currency is BT-6 of EN 16931, the sum BT-111. Each row of the document's taxes is told at one
rate and rounded by itself, and the sum is that of the rows.
"""

import polars as pl

from meterhouse import exchange_rates
from meterhouse.canonical_columns import array_over_rows, day, money, object_of, string
from meterhouse.invoicing.taxed_lines import by_document, in_base
from meterhouse.money import AMOUNT

# What a draft says of it; null where its taxes are in its own currency.
COLUMNS: exchange_rates.Schema = {
    "tax_currency": pl.String,
    "fx_rate": AMOUNT,
    "fx_on": pl.Date,
    "fx_source": pl.String,
}


def silent(heads: pl.DataFrame) -> pl.DataFrame:
    """The heads with COLUMNS, all null where they are missing."""
    return heads.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in COLUMNS.items() if name not in heads
    )


def with_rates(
    heads: pl.DataFrame,
    lines: pl.DataFrame,
    entities: pl.DataFrame,
    rates: pl.DataFrame,
    originals: pl.DataFrame,
) -> pl.DataFrame:
    """The drafts with COLUMNS; blocked where no rate is known.

    Entities: entity_id, tax_currency, tax_rates (source of rates), tax_rate_days; rates as
    exchange_rates.RATES; originals: number, wanted, fx_rate, fx_on, fx_source of issued documents.
    A draft that corrects one document alone is told at the rate of that document.
    """
    telling = entities.filter(pl.col("tax_currency").is_not_null()).select(
        "entity_id", wanted="tax_currency", source="tax_rates", max_age_days="tax_rate_days"
    )
    mine = heads.select("draft_id", "entity_id", "currency", on="invoice_date").join(
        telling, on="entity_id"
    )
    mine = mine.filter(pl.col("wanted") != pl.col("currency"))
    if mine.is_empty():
        return silent(heads)
    again = _again(lines, mine, originals)
    fresh = mine.join(again, on="draft_id", how="anti")
    asked = fresh.rename({"draft_id": "ask"}).select(
        pl.col(name).cast(kind) for name, kind in exchange_rates.ASKED.items()
    )
    told = exchange_rates.found(rates, asked).select(
        "wanted", "fault", draft_id="ask", fx_rate="rate", fx_on="rate_on", fx_source="source"
    )
    both = pl.concat([told, again.select(told.columns)]).rename({"wanted": "tax_currency"})
    reason = pl.concat_str(["blocked_reason", "fault"], separator=" ", ignore_nulls=True)
    return (
        heads.join(both, on="draft_id", how="left")
        .with_columns(
            blocked_reason=pl.when(pl.col("fault").is_not_null())
            .then(reason)
            .otherwise("blocked_reason"),
            is_blocked=pl.col("is_blocked") | pl.col("fault").is_not_null(),
        )
        .drop("fault")
    )


def _again(lines: pl.DataFrame, mine: pl.DataFrame, originals: pl.DataFrame) -> pl.DataFrame:
    """Drafts that correct one document alone, with what that document said."""
    one = (
        lines.group_by("draft_id")
        .agg(
            number=pl.col("original_number").first(),
            is_one=(pl.col("original_number").n_unique() == 1) & pl.col("is_correction").all(),
        )
        .filter("is_one")
    )
    named = mine.select("draft_id", "wanted").join(one.drop("is_one"), on="draft_id")
    return named.join(originals, on=["number", "wanted"]).select(
        "wanted", "draft_id", "fx_rate", "fx_on", "fx_source", fault=pl.lit(None, pl.String)
    )


def rows_of(heads: pl.DataFrame, taxes: pl.DataFrame) -> pl.DataFrame:
    """One row per draft and row of its taxes: draft_id, tax_no, base, tax; of a customer's own
    decision there is one."""
    ruled = by_document(taxes).select("draft_id", "tax_no", "base", "tax")
    chosen = heads.filter(pl.col("tax_treatment").is_not_null() & pl.col("tax").is_not_null())
    decided = chosen.select(
        "draft_id",
        tax_no=pl.lit(1, pl.Int64),
        base=(pl.col("net") - pl.col("untaxed")).cast(AMOUNT),
        tax=pl.col("tax").cast(AMOUNT),
    )
    return pl.concat([ruled, decided]).sort("draft_id", "tax_no")


def accounting_json(heads: pl.DataFrame, taxes: pl.DataFrame) -> pl.DataFrame:
    """draft_id and `tax_accounting`: canonical JSON of what documents say in their tax currency."""
    telling = heads.filter(pl.col("fx_rate").is_not_null())
    keys = telling.select("draft_id", *COLUMNS, base_currency="tax_currency")
    rows = in_base(rows_of(telling, taxes).join(keys, on="draft_id"), pl.col("fx_rate"))
    amounts = {
        "amount": money(pl.col("base_tax"), pl.col("tax_currency")),
        "base": money(pl.col("base_amount"), pl.col("tax_currency")),
    }
    told = (
        rows.sort("draft_id", "tax_no")
        .with_columns(_row=object_of(amounts))
        .group_by("draft_id", maintain_order=True)
        .agg(
            rows=array_over_rows(pl.col("_row")),
            base_tax=pl.col("base_tax").sum().cast(AMOUNT),
            **{name: pl.col(name).first() for name in COLUMNS},
        )
    )
    rate = pl.col("fx_rate").cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    whole = object_of(
        {
            "currency": string(pl.col("tax_currency")),
            "date": day(pl.col("fx_on")),
            "rate": string(rate),
            "rows": pl.col("rows"),
            "source": string(pl.col("fx_source")),
            "tax_total": money(pl.col("base_tax"), pl.col("tax_currency")),
        }
    )
    return told.select("draft_id", tax_accounting=whole)
