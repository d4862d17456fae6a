"""What both text ledgers say: an opening, one transaction per entry, and balances at the end.

Amounts are signed, debits above zero. The opening carries the balances before the first day, dated
the day before it; each entry balances, so the opening does too, and needs no account of its own.
"""

from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from meterhouse.exports.chart import named, refuse_unknown
from meterhouse.exports.control import Control
from meterhouse.exports.tables import MONEY, amount_text


class Ledger(NamedTuple):
    """`entries` as in the table of that name; `opening` has account, currency, amount."""

    control: Control
    entries: pl.DataFrame
    opening: pl.DataFrame

    @property
    def day_before(self) -> date:
        """The day that accounts are opened on."""
        return self.control.first - timedelta(days=1)

    @property
    def currencies(self) -> list[str]:
        """Every currency that has a balance or moves."""
        return sorted({*self.entries["currency"], *self.opening["currency"]})


def closing(entries: pl.DataFrame, opening: pl.DataFrame) -> pl.DataFrame:
    """One row per account and currency, also of zero: its balance at the end of the period."""
    moved = entries.select(
        "account", "currency", amount=(pl.col("debit") - pl.col("credit")).cast(MONEY)
    )
    before = opening.select("account", "currency", pl.col("amount").cast(MONEY))
    return (
        pl.concat([before, moved])
        .group_by("account", "currency")
        .agg(pl.col("amount").sum())
        .sort("currency", "account")
    )


def balances(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of account, currency and amount with the account's name and the amount as text."""
    refuse_unknown(frame["account"])
    amount = amount_text(pl.col("amount"), pl.col("currency"))
    return frame.select(named(pl.col("account")).alias("account"), "currency", amount=amount)


def postings(entries: pl.DataFrame) -> pl.DataFrame:
    """One row per line of an entry: `name` of the account and signed `amount` as text besides."""
    refuse_unknown(entries["account"])
    signed = (pl.col("debit") - pl.col("credit")).cast(MONEY)
    return entries.with_columns(
        name=named(pl.col("account")),
        amount=amount_text(signed, pl.col("currency")),
        happened=pl.col("event_date").cast(pl.String),
        posted=pl.col("posting_date").cast(pl.String),
        starts=pl.col("service_start").cast(pl.String),
        ends=pl.col("service_end").cast(pl.String),
    )


def transactions(lines: pl.DataFrame, head: pl.Expr, posting: pl.Expr) -> list[str]:
    """One text per entry in the order of days and ids: what `head` says, then its postings."""
    texts = lines.select("posting_date", "entry_id", "line_no", head=head, posting=posting)
    grouped = (
        texts.sort("posting_date", "entry_id", "line_no")
        .group_by("posting_date", "entry_id", maintain_order=True)
        .agg(pl.col("head").first(), pl.col("posting").str.join("\n"))
    )
    joined = grouped.select(pl.concat_str("head", "posting", separator="\n"))
    return joined.to_series().to_list()


def one_line(text: pl.Expr) -> pl.Expr:
    """Texts without control characters, which would end a line or a string."""
    return text.str.replace_all(r"[\p{Cc}\p{Zl}\p{Zp}]", " ")


def given(before: str, value: pl.Expr, after: str = "") -> pl.Expr:
    """The value between two texts, or nothing where it is null."""
    return pl.concat_str(pl.lit(before), value, pl.lit(after)).fill_null("")
