"""Journals of both systems by account and customer: debit less credit, and the difference."""

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.parallel.columns import Schema

# One row per line of the old journal; `amount` is debit less credit.
JOURNAL: Schema = {
    "source_line": pl.Int64,
    "date": pl.Date,
    "account": pl.String,
    "customer": pl.String,
    "currency": pl.String,
    "amount": AMOUNT,
    "fault": pl.String,
}
CELL = ("account", "customer_id", "currency")
NUMBER = r"^-?\d{1,18}(\.\d{1,18})?$"


def read_journal(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of text (line, date, account, customer, currency, debit, credit) as JOURNAL."""
    texts = rows.with_columns(pl.exclude("line").str.strip_chars())
    money = [
        pl.when(pl.col(name).str.contains(NUMBER))
        .then(pl.col(name))
        .when(pl.col(name).fill_null("") == "")
        .then(pl.lit("0"))
        .cast(AMOUNT)
        .alias(f"_{name}")
        for name in ("debit", "credit")
    ]
    read = texts.with_columns(*money, _date=pl.col("date").str.to_date("%Y-%m-%d", strict=False))
    faults = [
        pl.when(pl.col(f"_{name}").is_null()).then(
            pl.format(f"{name} '{{}}' cannot be read", pl.col(name).fill_null(""))
        )
        for name in ("date", "debit", "credit")
    ]
    faults.append(pl.when(pl.col("account").fill_null("") == "").then(pl.lit("account is missing")))
    told = pl.concat_str(faults, separator="; ", ignore_nulls=True)
    typed = read.with_columns(
        source_line="line",
        date="_date",
        amount=(pl.col("_debit") - pl.col("_credit")).cast(AMOUNT),
        fault=pl.when(told != "").then(told),
    )
    return typed.select(pl.col(name).cast(kind) for name, kind in JOURNAL.items())


def compared_journals(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """One row per account, customer and currency: old, new, difference, postings of each side.

    Both: account (ours), customer_id, currency, amount (debit less credit).
    """
    sides = [
        lines.group_by(CELL).agg(
            pl.col("amount").sum().cast(AMOUNT).alias(side),
            pl.len().cast(pl.Int64).alias(f"{side}_postings"),
        )
        for side, lines in (("old", old), ("new", new))
    ]
    both = sides[0].join(sides[1], on=CELL, how="full", coalesce=True, nulls_equal=True)
    filled = both.with_columns(
        pl.col("old", "new").fill_null(pl.lit(0).cast(AMOUNT)),
        pl.col("old_postings", "new_postings").fill_null(0),
    )
    return filled.with_columns(difference=(pl.col("new") - pl.col("old")).cast(AMOUNT)).sort(CELL)
