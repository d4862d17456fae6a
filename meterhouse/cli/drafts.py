"""Drafts of the last run and issued documents in one list, each with its state."""

from datetime import date
from typing import TYPE_CHECKING, Any

from meterhouse.cli.filters import EVERYTHING, Filter
from meterhouse.cli.reading import has_drafts, last_run, rows_of
from meterhouse.cli.values import money_text
from meterhouse.errors import UsageError
from meterhouse.nearest import did_you_mean

if TYPE_CHECKING:
    import duckdb

STATES = ("blocked", "waiting", "grace", "approved", "discarded", "issued", "void")

COLUMNS = """
    documents.kind, documents.customer_id, customers.name as customer, documents.contract_id,
    documents.entity_id, documents.currency, documents.boundary_on, documents.invoice_date,
    documents.due_date, documents.net, documents.tax, documents.total, documents.content_hash
"""
WHERE = (
    "(?::varchar is null or documents.customer_id = ?) and (?::date is null or boundary_on <= ?)"
)


def listed(
    db: "duckdb.DuckDBPyConnection",
    customer: str | None,
    states: tuple[str, ...],
    through: date | None,
    chosen: Filter = EVERYTHING,
) -> list[dict[str, Any]]:
    """One row per draft and document, drafts first, by date."""
    wanted = states or STATES
    found: list[dict[str, Any]] = []
    if set(wanted) - {"issued", "void"} and has_drafts(db):
        found += [row for row in drafts(db, customer, through, chosen) if row["state"] in wanted]
    if {"issued", "void"} & set(wanted):
        found += [row for row in issued(db, customer, through, chosen) if row["state"] in wanted]
    return found


def issued(
    db: "duckdb.DuckDBPyConnection",
    customer: str | None,
    through: date | None,
    chosen: Filter = EVERYTHING,
) -> list[dict[str, Any]]:
    """Issued documents in the order of their numbers."""
    return rows_of(
        db,
        "select document_id as id, documents.number, "
        "case when voids.document_id is null then 'issued' else 'void' end as state, "
        f"coalesce(voids.reason, '') as reason, {COLUMNS} "
        "from facts.documents as documents left join "
        "(select document_id, json_extract_string(content, '$.buyer.name') as name "
        "from facts.documents) as customers using (document_id) "
        f"left join facts.voids as voids using (document_id) where {WHERE} and {chosen.where} "
        "order by documents.batch_seq, documents.row_no",
        [customer, customer, through, through, *chosen.parameters],
    )


def drafts(
    db: "duckdb.DuckDBPyConnection",
    customer: str | None,
    through: date | None,
    chosen: Filter = EVERYTHING,
) -> list[dict[str, Any]]:
    """Drafts that are not issued: blocked, waiting, in grace, approved or discarded."""
    held = _held(db)
    rows = rows_of(
        db,
        f"select draft_id as id, null as number, {COLUMNS} from billing.drafts as documents "
        f"left join book.customers as customers using (customer_id) where {WHERE} "
        f"and {chosen.where} and draft_id not in (select document_id from facts.documents) "
        "order by invoice_date, documents.customer_id, draft_id",
        [customer, customer, through, through, *chosen.parameters],
    )
    for row in rows:
        row["state"], row["reason"] = held.get(row["id"], ("approved", ""))
    return rows


def with_money_text(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows with net, tax and total at their currency's places; undecided is None."""
    for row in rows:
        for name in ("net", "tax", "total"):
            row[name] = None if row[name] is None else money_text(row[name], row["currency"])
    return rows


def _held(db: "duckdb.DuckDBPyConnection") -> dict[str, tuple[str, str]]:
    """Draft id to state and sentence, by the very rules that `issue` applies."""
    from meterhouse.run.approving import kept_back

    frame = db.sql(
        "from billing.drafts where draft_id not in (select document_id from facts.documents)"
    ).pl()
    run = last_run(db)
    return kept_back(db, frame, run["run_id"], run["through"]).back


def find(db: "duckdb.DuckDBPyConnection", name: str) -> dict[str, Any]:
    """The document of a number or id, or the draft of an id; at least 8 digits of an id."""
    prefix = name if len(name) >= 8 else name + "\0"
    found = rows_of(
        db,
        "select document_id as id, number, content, content_hash from facts.documents "
        "where number = ? or starts_with(document_id, ?)",
        [name, prefix],
    )
    if not found and has_drafts(db):
        found = rows_of(
            db,
            "select draft_id as id, null as number, content, content_hash from billing.drafts "
            "where starts_with(draft_id, ?)",
            [prefix],
        )
    if len(found) != 1:
        what = f"{len(found)} documents" if found else "no issued document and no draft"
        hint = "" if found else did_you_mean(name, _near(db, name))
        raise UsageError(
            f"{name!r} names {what}{hint or '.'} "
            "`meterhouse invoices list` shows numbers and draft ids."
        )
    return found[0]


def _near(db: "duckdb.DuckDBPyConnection", name: str) -> list[str]:
    """The numbers most like a name; there may be a hundred thousand."""
    rows = rows_of(
        db,
        "select number from facts.documents order by levenshtein(number, ?), number limit 20",
        [name],
    )
    return [row["number"] for row in rows]
