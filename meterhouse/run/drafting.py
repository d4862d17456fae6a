"""Drafts: what should have been billed, minus what was, gathered into documents."""

from datetime import date

import duckdb
import polars as pl

from meterhouse.invoicing.difference import difference
from meterhouse.invoicing.document import canonical
from meterhouse.invoicing.drafts import drafts, gathered
from meterhouse.run.book import DATED, change_dates, in_force
from meterhouse.run.context import Run
from meterhouse.schema import FACTS


def billed(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per line key ever billed: the sum, and the window as the newest line has it."""
    own = {"line_key", "amount", "number", "invoice_date", "original_number"}
    columns = [name for name in FACTS["billed_lines"] if name not in own]
    newest = ", ".join(f"arg_max({c}, (batch_seq, row_no)) as {c}" for c in columns)
    return db.sql(
        f"select line_key, {newest}, cast(sum(amount) as decimal(38, 18)) as billed, "
        "arg_min(number, (batch_seq, row_no)) as original_number, "
        "arg_min(invoice_date, (batch_seq, row_no)) as original_invoice_date "
        "from facts.billed_lines group by line_key"
    ).pl()


def make_drafts(run: Run, db: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Replace billing.drafts and billing.draft_lines; returns how many of each."""
    desired = db.sql("from billing.desired_lines").pl()
    failed = db.sql("select contract_id from ops.failures").pl()
    # A contract that left the run keeps what it was billed: nothing is desired of it, nor undone.
    known = billed(db).join(failed, on="contract_id", how="anti")
    lines = difference(desired, known, run.through, run.through)
    complete, draft_lines = compose(db, lines)
    count = run.warehouse.replace(db, "billing.drafts", complete)
    return count, run.warehouse.replace(db, "billing.draft_lines", draft_lines)


def compose(
    db: duckdb.DuckDBPyConnection, lines: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines to bill as drafts with their content, and the lines as the drafts order them.

    Seller, buyer and terms are those of the document's boundary: documents between two days on
    which one of them changed are composed together.
    """
    sharing = db.sql("select customer_id from book.customers where consolidates").fetchall()
    gathered_lines = gathered(lines, [row[0] for row in sharing])
    changes = pl.Series("changes", change_dates(db), dtype=pl.Date)
    regime = changes.search_sorted(gathered_lines["boundary_on"], side="right")
    numbered = gathered_lines.with_columns(regime=pl.Series(regime, dtype=pl.Int64))
    parts = [
        _composed(db, part.drop("regime"))
        for part in numbered.partition_by("regime", maintain_order=True)
    ] or [_composed(db, gathered_lines)]
    heads, draft_lines = zip(*parts, strict=True)
    return pl.concat(heads).sort("draft_id"), pl.concat(draft_lines)


def _composed(
    db: duckdb.DuckDBPyConnection, lines: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    on = lines["boundary_on"].max()
    day = on if isinstance(on, date) else date.max
    entities, terms, customers = (in_force(db, table, day) for table in DATED)
    heads, draft_lines = drafts(lines, customers, entities, terms, _series(db), _earlier(db))
    meters = db.sql("from book.meters").pl()
    content = canonical(heads, draft_lines, customers, entities, meters)
    return heads.join(content, on="draft_id", how="left", validate="1:1"), draft_lines


def _earlier(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """How many documents each group of lines has had, so that the next has an id of its own."""
    return db.sql(
        "select lines.payer_id, lines.entity_id, lines.currency, lines.terms_id, "
        "documents.boundary_on, documents.contract_id as for_contract, "
        "count(distinct document_id)::bigint as earlier "
        "from facts.billed_lines as lines join facts.documents as documents using (document_id) "
        "group by all"
    ).pl()


def _series(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    return db.sql(
        "select entity_id, kind, max(invoice_date) as last_invoice_date "
        "from facts.documents group by all"
    ).pl()
