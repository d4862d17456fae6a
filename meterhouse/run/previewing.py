"""What a change of the book would do to money: windows, customers, documents and entries."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import duckdb
import polars as pl

from meterhouse.catalog.plan import Change, changes_to_record
from meterhouse.lake import Lake
from meterhouse.ledger.posting import entries
from meterhouse.run import steps
from meterhouse.run.comparing import Tell, beside, desired, failures, two_books
from meterhouse.run.context import Run
from meterhouse.warehouse import Warehouse

ENTRY = ("document_id", "account", "debit", "credit", "currency")
BILLED = "select distinct window_id, true as is_issued from facts.billed_lines"
ACCRUED = """
select line_key, cast(sum(debit - credit) as decimal(38, 18)) as accrued
from facts.journal_lines where account = 'unbilled_receivable'
group by line_key having sum(debit - credit) <> 0
"""


class Preview(NamedTuple):
    """`windows`: lines that change, with `is_issued`; `customers`: their sums by currency;
    `documents`, `lines` and `entries`: drafts that only the proposed book would cause."""

    through: date
    windows: pl.DataFrame
    customers: pl.DataFrame
    documents: pl.DataFrame
    lines: pl.DataFrame
    entries: pl.DataFrame
    warnings: list[str]


def last_through(lake: Lake) -> date | None:
    """The `through` of the last run; None without any run."""
    if not lake.settings.warehouse.exists():
        return None
    with Warehouse(lake).connect(lake.head()) as db:
        row = db.execute("select through from ops.run").fetchone()
    return None if row is None else row[0]


def preview(
    lake: Lake,
    changes: Sequence[Change],
    through: date | None = None,
    tell: Tell = lambda _: None,
) -> Preview | None:
    """What recording the changes would do to money; None where no run is there to compare with."""
    with lake.run_lock.held():
        day = through or last_through(lake)
        if day is None or not changes_to_record(list(changes)):
            return None
        with two_books(lake, changes, day, tell) as (run, turn):
            old, old_drafts, warnings = desired(run), _drafted(run), failures(run)
            turn()
            new, new_drafts = desired(run), _drafted(run)
            told = sorted({*warnings, *failures(run)})
            return _preview(run, day, beside(old, new), (old_drafts, new_drafts), told)


def _drafted(run: Run) -> pl.DataFrame:
    with run.warehouse.connect(run.pin, run.known_at) as db:
        steps.draft(run, db)
        return db.sql("from billing.drafts").pl()


def _preview(
    run: Run,
    through: date,
    both: pl.DataFrame,
    drafts: tuple[pl.DataFrame, pl.DataFrame],
    warnings: list[str],
) -> Preview:
    old, new = drafts
    caused = new.join(old, on=["draft_id", "content_hash"], how="anti").sort("draft_id")
    with run.warehouse.connect(run.pin, run.known_at) as db:
        billed = db.sql(BILLED).pl()
        documents, lines, posted = _documents(db, caused)
    changed = both.filter(pl.col("amount_difference") != 0)
    windows = changed.join(billed, on="window_id", how="left").with_columns(
        pl.col("is_issued").fill_null(False)
    )
    return Preview(
        through, windows.sort("customer_id", "contract_id", "item_id", "window_start_on"),
        by_customer(windows), documents, lines, posted, warnings,
    )  # fmt: skip


def by_customer(windows: pl.DataFrame) -> pl.DataFrame:
    """One row per customer and currency: old, new, difference, and how many windows change."""
    return (
        windows.group_by("customer_id", "currency")
        .agg(
            pl.col("amount_old", "amount_new", "amount_difference").sum(),
            windows=pl.col("window_id").n_unique(),
        )
        .sort("customer_id", "currency")
    )


def _documents(
    db: duckdb.DuckDBPyConnection, caused: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The drafts as they would be issued; entries of those that miss no decision."""
    db.register("caused", caused.select("draft_id").to_arrow())
    lines = db.sql(
        "from billing.draft_lines semi join caused using (draft_id) order by draft_id, line_no"
    ).pl()
    db.unregister("caused")
    named = caused.with_columns(document_id="draft_id")
    own = lines.rename({"draft_id": "document_id"})
    decided = named.filter(~pl.col("is_blocked"))
    heads, legs = entries(
        decided, own.join(decided.select("document_id"), on="document_id", how="semi"),
        db.sql(ACCRUED).pl(),
    )  # fmt: skip
    return named, own, _legs(heads, legs)


def _legs(heads: pl.DataFrame, legs: pl.DataFrame) -> pl.DataFrame:
    """The entry of each document, summed by account."""
    owned = legs.join(heads.select("entry_id", "currency", "document_id"), on="entry_id")
    return (
        owned.group_by("document_id", "account", "currency")
        .agg(pl.col("debit", "credit").sum())
        .select(ENTRY)
        .sort("document_id", "account")
    )
