"""The facts of a period as the tables of an export, for all its entities at once."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import duckdb
import polars as pl

from meterhouse.duck import connect, literal
from meterhouse.errors import Busy, ChecksFailed
from meterhouse.exports.tables import ENTRIES, INVOICES, LINES, MONEY, Layout, currency_of
from meterhouse.lake import Lake, Pin
from meterhouse.lake_views import views
from meterhouse.ledger.journal import unbalanced
from meterhouse.locks import FileLock
from meterhouse.money import rounded
from meterhouse.run.commands import closed_until

READ = ("documents", "billed_lines", "voids", "journal_entries", "journal_lines")

INVOICES_SQL = """
select documents.* exclude (content), content ->> '$.buyer.name' as customer, voids.voided_on
from facts.documents
left join facts.voids using (document_id)
where invoice_date >= $first and invoice_date < $until
order by entity_id, invoice_date, documents.number
"""

LINES_SQL = """
select
    documents.entity_id, documents.number, documents.invoice_date, documents.document_id,
    lines.item_description as description,
    lines.window_start_on as service_start, lines.window_end_on as service_end,
    lines.* exclude (entity_id, number, invoice_date, document_id)
from facts.billed_lines as lines
join facts.documents as documents using (document_id)
where documents.invoice_date >= $first and documents.invoice_date < $until
order by entity_id, documents.invoice_date, documents.number, lines.line_no, lines.line_key
"""

# The name stands on the document; a line without one, such as an accrual, has the id alone.
ENTRIES_SQL = """
select
    entries.*, lines.* exclude (entry_id, batch_seq, row_no, row_hash),
    lines.window_start_on as service_start, lines.window_end_on as service_end,
    documents.number,
    case
        when lines.customer_id = documents.customer_id
        then documents.content ->> '$.buyer.name'
    end as customer
from facts.journal_entries as entries
join facts.journal_lines as lines using (entry_id)
left join facts.documents as documents using (document_id)
where entries.posting_date >= $first and entries.posting_date < $until
order by entries.entity_id, entries.posting_date, entries.entry_id, lines.line_no
"""

OPENING_SQL = """
select
    entries.entity_id, lines.account, entries.currency,
    cast(sum(lines.debit - lines.credit) as decimal(38, 18)) as amount
from facts.journal_entries as entries
join facts.journal_lines as lines using (entry_id)
where entries.posting_date < $first
group by all
having amount <> 0
order by all
"""

ENTITIES_SQL = """
select doc_id as entity_id, arg_max(content, batch_seq) as content
from facts.book_versions
where kind = 'entity'
group by doc_id
order by doc_id
"""

DRAFTS_SQL = """
select entity_id, count(*) as drafts
from drafts_of.billing.drafts
where
    invoice_date >= $first and invoice_date < $until
    and draft_id not in (select document_id from facts.documents)
group by entity_id
"""


class Facts(NamedTuple):
    """All that is exported of a period, with `entity_id` in each frame; what was known is `pin`."""

    pin: Pin
    entities: tuple[str, ...]
    frames: Mapping[str, pl.DataFrame]
    opening: pl.DataFrame
    closed_until: Mapping[str, date]
    drafts: Mapping[str, int]


def read_facts(lake: Lake, first: date, until: date) -> Facts:
    """Read the period at the newest batch, from files whose hashes were compared before."""
    pin = lake.head()
    period = {"first": first, "until": until}
    with connect(lake.settings) as db:
        lake.attach_pinned(db, pin)
        views(db, pin.batch_seq)
        for fault in lake.verify(db, READ):
            raise fault
        frames = {
            layout.name: _table(db.execute(select, period).pl(), layout)
            for layout, select in (
                (INVOICES, INVOICES_SQL),
                (LINES, LINES_SQL),
                (ENTRIES, ENTRIES_SQL),
            )
        }
        opening = db.execute(OPENING_SQL, {"first": first}).pl()
        _refuse_finer(opening, ["amount"])
        closed = dict(closed_until(db).iter_rows())
        facts = Facts(pin, tuple(zones(db)), frames, opening, closed, _drafts(lake, db, period))
    _agree(facts.frames)
    return facts


def zones(db: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Every entity of the book and the zone of its newest version."""
    rows = db.execute(ENTITIES_SQL).fetchall()
    return {entity: json.loads(content)["zone"] for entity, content in rows}


def _table(found: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    amounts = [name for name, kind in layout.columns.items() if kind == MONEY]
    _refuse_finer(found, amounts)
    return found.select(pl.col(name).cast(kind) for name, kind in layout.columns.items())


def _refuse_finer(frame: pl.DataFrame, amounts: list[str]) -> None:
    """Amounts are exported with their currency's places, so none may have more."""
    checks = [
        (pl.col(name) != rounded(pl.col(name), pl.col(currency_of(name)))).any() for name in amounts
    ]
    if frame.height and frame.select(pl.any_horizontal(checks)).item():
        raise ChecksFailed(
            [
                "A stored amount has more places than its currency; nothing was exported. "
                "Run `meterhouse checks` and look for the document or the entry it belongs to."
            ]
        )


def _agree(frames: Mapping[str, pl.DataFrame]) -> None:
    """Lines add up to their invoices, and every entry balances; otherwise nothing may leave."""
    invoices, lines, entries = (frames[one.name] for one in (INVOICES, LINES, ENTRIES))
    sums = lines.group_by("document_id").agg(pl.col("amount").sum())
    joined = invoices.join(sums, on="document_id", how="left")
    wrong = joined.filter(
        (pl.col("net") != pl.col("amount").fill_null(0))
        | (pl.col("net") + pl.col("tax") != pl.col("total"))
    )
    sentences = [
        f"The lines of {number} do not add up to its amounts; nothing was exported."
        for number in wrong["number"]
    ]
    heads = entries.select("entry_id").unique()
    sentences += [
        f"Entry {entry} does not balance; nothing was exported."
        for entry in unbalanced(heads, entries)["entry_id"]
    ]
    if sentences:
        raise ChecksFailed(sentences)


def _drafts(lake: Lake, db: duckdb.DuckDBPyConnection, period: dict[str, Any]) -> dict[str, int]:
    """Drafts of the period that are not issued; while a run has the warehouse, as published."""
    lock = FileLock(lake.settings.home / "locks" / "run.lock", "run", 0)
    try:
        with lock.held():
            return _drafts_in(db, str(lake.settings.warehouse), period)
    except Busy:
        return _drafts_in(db, str(lake.settings.published), period)


def _drafts_in(db: duckdb.DuckDBPyConnection, path: str, period: dict[str, Any]) -> dict[str, int]:
    try:
        db.execute(f"attach {literal(path)} as drafts_of (read_only)")
    except duckdb.IOException:
        return {}  # No run has been made yet.
    try:
        return dict(db.execute(DRAFTS_SQL, period).fetchall())
    except duckdb.CatalogException:
        return {}  # No run has come as far as drafts.
    finally:
        db.execute("detach drafts_of")
