"""What tests compare of the facts: rows as text, counts, keys and files."""

from pathlib import Path

from meterhouse.lake import Lake
from meterhouse.schema import FACTS

# What makes a row of each table one of a kind.
KEYS = {
    "batches": "batch_seq",
    "source_statements": "source, event_day, batch_seq",
    "usage_events": "source, event_id",
    "rejected_events": "batch_seq, row_no",
    "conflicts": "batch_seq, row_no",
    "files": "path",
    "book_versions": "kind, doc_id, valid_from, batch_seq",
    "commands": "command_id",
    "documents": "number",
    "billed_lines": "document_id, line_no",
    "billed_determinants": "document_id, determinant_id",
    "journal_entries": "entry_id",
    "journal_lines": "entry_id, line_no",
    "check_results": "run_id, check_name, attempt, scope_kind, scope_id",
    "manifests": "content_hash",
    "applications": "application_id",
    "balance_moves": "move_id",
    "written_off": "batch_seq, draft_id, line_no",
    "renderings": "document_id, form",
    "imported_documents": "document_id",
    "imported_lines": "document_id, line_no",
    "imported_openings": "opening_id",
    "legacy_invoices": "import_id, number",
    "legacy_lines": "import_id, number, line_no",
    "parallel_results": "result_id, customer_id, currency",
    "voids": "document_id",
    "document_taxes": "document_id, tax_no",
    "line_taxes": "document_id, line_no, tax_no",
    "tax_answers": "question_sha256",
    "exchange_rates": "import_id, rate_on, base, quote",
    "outbox": "message_id",
    "deliveries": "message_id, attempt",
}
# A run after the issue knows one batch more: it checks again and says so in a manifest of its own.
OF_RUNS = {"check_results", "manifests"}
INPUTS = tuple(table for table in FACTS if table not in {*OF_RUNS, "files"})


def rows_of(lake: Lake, table: str) -> list[str]:
    """Every row of a facts table as JSON text, sorted."""
    with lake.reading() as db:
        found = db.execute(f"select to_json(t)::varchar from facts.{table} as t").fetchall()
    return sorted(text for (text,) in found)


def inputs_of(lake: Lake) -> dict[str, list[str]]:
    """All facts but those that each run writes about itself."""
    return {table: rows_of(lake, table) for table in INPUTS}


def counts_of(lake: Lake) -> dict[str, int]:
    """Rows of every facts table."""
    with lake.reading() as db:
        return {table: _one(db, f"select count(*) from facts.{table}") for table in FACTS}


def documents_of(lake: Lake) -> list[tuple[str, str]]:
    """Number and canonical JSON of every document."""
    with lake.reading() as db:
        return db.execute("select number, content from facts.documents order by 1").fetchall()


def doubled_of(lake: Lake) -> dict[str, int]:
    """Tables with two rows of one key, and how many rows are too many."""
    assert set(KEYS) == set(FACTS)
    with lake.reading() as db:
        extra = {
            table: _one(
                db,
                f"select count(*) - (select count(*) from (select distinct {key} "
                f"from facts.{table})) from facts.{table}",
            )
            for table, key in KEYS.items()
        }
    return {table: count for table, count in extra.items() if count}


def unbalanced_of(lake: Lake) -> list[tuple[str, object]]:
    """Entries whose debits are not their credits, in transaction or in base currency."""
    with lake.reading() as db:
        return db.execute(
            "select entry_id, sum(debit - credit) from facts.journal_lines group by entry_id "
            "having sum(debit - credit) <> 0 or sum(debit_base - credit_base) <> 0 "
            "union all select entry_id, null from facts.journal_entries "
            "where entry_id not in (select entry_id from facts.journal_lines)"
        ).fetchall()


def faults_of(lake: Lake) -> list[str]:
    """Registered files that are not there or not as registered."""
    with lake.reading() as db:
        return [str(fault) for fault in lake.verify(db, list(FACTS))]


def registered_files(lake: Lake, table: str | None = None) -> list[Path]:
    """Files of the lake, or of one table, in the order of their names."""
    with lake.reading() as db:
        found = db.execute(
            "select path from facts.files where table_name = coalesce(?, table_name) order by 1",
            [table],
        ).fetchall()
    return [lake.settings.data / path for (path,) in found]


def files_on_disk(lake: Lake) -> list[Path]:
    """Every file below the lake's data, whoever wrote it."""
    return sorted(path for path in lake.settings.data.rglob("*") if path.is_file())


def _one(db, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0])
