"""What a change of the book would do to money: windows, customers, documents and entries."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import duckdb
import polars as pl

from meterhouse.catalog.plan import Change, changes_to_record
from meterhouse.lake import Lake
from meterhouse.ledger.posting import entries
from meterhouse.run.comparing import (
    STOOD,
    Tell,
    beside,
    desired,
    failures,
    recorded,
    two_books,
)
from meterhouse.run.context import Run
from meterhouse.run.drafting import Composed, composed
from meterhouse.run.reusing import OF_CONTRACTS
from meterhouse.warehouse import Warehouse

ENTRY = ("document_id", "account", "debit", "credit", "currency")
BILLED = "select distinct window_id, true as is_issued from facts.standing_lines"
ACCRUED = """
select line_key, cast(sum(debit - credit) as decimal(38, 18)) as accrued
from facts.journal_lines where account = 'unbilled_receivable'
group by line_key having sum(debit - credit) <> 0
"""
TOUCHED = "contract_id in (select contract_id from ops.touched)"
# Lines of one payer may share a document.
DRAFTED = """
create or replace table ops.drafted_contracts as
with lines as (
    select contract_id, customer_id, payer_id from ops.stood_lines
    union
    select contract_id, customer_id, payer_id from billing.desired_lines
    union
    select contract_id, customer_id, payer_id from facts.standing_lines
),
payers as (
    select payer_id from lines where contract_id in (select contract_id from ops.touched)
        or customer_id in (select buyer from buyers) or payer_id in (select buyer from buyers)
)
select contract_id from lines where payer_id in (select payer_id from payers)
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
    new = changes_to_record(list(changes))
    if day is None or not new:
        return None
    with two_books(lake, changes, day, tell) as (run, turn):
        turn()
        tell("Drafting documents under both books")
        return _preview(run, day, new)


def _preview(run: Run, through: date, new: Sequence[Change]) -> Preview:
    with run.warehouse.connect(run.pin, run.known_at) as db:
        caused = _caused(run, db, _may_differ(db, new))
        documents, own, posted = _documents(db, caused)
        billed = db.sql(BILLED).pl()
    both = beside(desired(run, STOOD, TOUCHED), desired(run, of=TOUCHED))
    changed = both.filter(pl.col("amount_difference") != 0)
    windows = changed.join(billed, on="window_id", how="left").with_columns(
        pl.col("is_issued").fill_null(False)
    )
    return Preview(
        through, windows.sort("customer_id", "contract_id", "item_id", "window_start_on"),
        by_customer(windows), documents, own, posted, failures(run),
    )  # fmt: skip


def _may_differ(db: duckdb.DuckDBPyConnection, new: Sequence[Change]) -> str:
    """SQL over a line: of contracts that come to one document with one that the change touches.

    Replaces ops.drafted_contracts. What is said of sellers, terms or meters may be in any document.
    """
    if any(one.kind not in OF_CONTRACTS for one in new):
        return "true"
    buyers = pl.DataFrame(
        {"buyer": [one.id for one in new if one.kind == "customer"]}, schema={"buyer": pl.String}
    )
    db.register("buyers", buyers.to_arrow())
    db.execute(DRAFTED)
    db.unregister("buyers")
    return "contract_id in (select contract_id from ops.drafted_contracts)"


def _caused(run: Run, db: duckdb.DuckDBPyConnection, of: str) -> Composed:
    """Drafts that only the proposed book would cause; the scratch warehouse stands at the recorded
    one afterwards."""
    made = composed(run, db, of=of)
    recorded(run, db)
    before = composed(run, db, STOOD, "ops.stood_failures", of, "ops.stood_early").drafts
    caused = made.drafts.join(before, on=["draft_id", "content_hash"], how="anti")
    lines, payments, taxes, draws = (
        frame.join(caused, on="draft_id", how="semi")
        for frame in (made.lines, made.payments, made.taxes, made.draws)
    )
    ordered = lines.sort("draft_id", "line_no")
    return Composed(caused.sort("draft_id"), ordered, payments, taxes, draws)


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
    db: duckdb.DuckDBPyConnection, caused: Composed
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The drafts as they would be issued; entries of those that miss no decision."""
    named = caused.drafts.with_columns(document_id="draft_id")
    own = caused.lines.rename({"draft_id": "document_id"})
    decided = named.filter(~pl.col("is_blocked"))
    heads, legs = entries(
        decided, own.join(decided.select("document_id"), on="document_id", how="semi"),
        db.sql(ACCRUED).pl(), caused.payments.join(decided, on="draft_id", how="semi"),
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
