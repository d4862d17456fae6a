"""What waits to be billed without the taxes that its prices hold: they are no revenue.

No document says these taxes yet, so they are those that a document of the day before the cut-off
would have. Where nothing decides them (no rule, an engine that nobody asked) the price stays whole.
"""

from datetime import date, timedelta

import duckdb
import polars as pl

from meterhouse.invoicing.drafts import at_one_rate
from meterhouse.invoicing.tax_rules import TaxBook
from meterhouse.invoicing.taxed_lines import decided, netted, undecided
from meterhouse.money import AMOUNT
from meterhouse.run import taxes
from meterhouse.run.book import in_force

_PARTIES = ("entity_id", "customer_id", "currency")


def without_taxes(
    db: duckdb.DuckDBPyConnection, lines: pl.DataFrame, inclusive: pl.Series, cut_off: date
) -> pl.DataFrame:
    """The lines with `value` less the taxes it holds, of contracts that are `inclusive`.

    Lines: line_key, contract_id, entity_id, customer_id (who pays), currency, item_id, role,
    dimensions, window_end_on, value.
    """
    held = pl.col("contract_id").is_in(inclusive.implode()) & (pl.col("value") != 0)
    mine = lines.filter(held).with_columns(
        draft_id=pl.concat_str(_PARTIES, separator=" "),
        amount=pl.col("value").cast(AMOUNT),
        is_inclusive=pl.lit(value=True),
        # What was billed before is taxed as it was.
        is_correction=pl.lit(value=True),
    )
    if mine.is_empty():
        return lines
    numbered = mine.with_columns(
        line_no=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("draft_id")
    )
    day = cut_off - timedelta(days=1)
    heads = _heads(db, numbered, day)
    book = taxes.tax_book(db, day)
    ruled = undecided(heads) if book is None else decided(heads, numbered, _told(book))
    _, own = netted(ruled.heads, numbered, ruled.lines)
    net = own.select("line_key", net="amount")
    joined = lines.join(net, on="line_key", how="left", maintain_order="left")
    return joined.with_columns(value=pl.coalesce("net", "value")).drop("net")


def _heads(db: duckdb.DuckDBPyConnection, lines: pl.DataFrame, day: date) -> pl.DataFrame:
    """One document for each payer, entity and currency."""
    customers = in_force(db, "customers", day)
    sums = lines.group_by("draft_id", *_PARTIES).agg(net=pl.col("amount").sum().cast(AMOUNT))
    heads = sums.with_columns(
        kind=pl.lit("invoice"), invoice_date=pl.lit(day), untaxed=pl.lit(0, dtype=AMOUNT)
    )
    return at_one_rate(heads, customers)


def _told(book: TaxBook) -> TaxBook:
    """The book without engines: nobody is asked of what no document says yet."""
    return book._replace(engines=None)
