"""Documents of the system before, as lists show them."""

from datetime import date
from typing import TYPE_CHECKING, Any

from meterhouse.cli.drafts import with_money_text
from meterhouse.cli.reading import rows_of
from meterhouse.cli.values import money_text

if TYPE_CHECKING:
    import duckdb

    from meterhouse.cli.app import App

# The same columns as of documents of Meterhouse; they are known by number, and have no content.
SQL = """
select documents.document_id as id, documents.number, documents.kind, documents.entity_id,
    documents.customer_id, customers.name as customer, documents.contract_id, documents.currency,
    documents.invoice_date, documents.due_date, documents.net, documents.tax, documents.total,
    documents.open_amount, 'imported' as state, '' as reason
from facts.imported_documents as documents
left join (
    select doc_id as customer_id, arg_max(content->>'$.name', (batch_seq, row_no)) as name
    from facts.book_versions where kind = 'customer' group by doc_id
) as customers using (customer_id)
where coalesce(documents.customer_id = ?::varchar, true)
    and coalesce(documents.invoice_date <= ?::date, true)
order by documents.entity_id, documents.invoice_date, documents.number
"""


def imported(
    db: "duckdb.DuckDBPyConnection", customer: str | None, through: date | None
) -> list[dict[str, Any]]:
    """Imported invoices and credit notes by date, with what was open of them at the cut-over."""
    rows = with_money_text(rows_of(db, SQL, [customer, through]))
    for row in rows:
        row["open_amount"] = money_text(row["open_amount"], row["currency"])
    return rows


def show_imported(app: "App", customer: str | None, through: date | None) -> None:
    """Print them, dated up to a day, with what was open at the cut-over."""
    from meterhouse.cli.values import grouped

    with app.lake.reading() as db:
        found = imported(db, customer, through)

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        columns = ["number", "kind", "customer", "date", "due", "total>", "open then>", ""]
        rows = [
            (
                row["number"],
                row["kind"].replace("_", " "),
                row["customer"] or row["customer_id"],
                row["invoice_date"],
                row["due_date"] or "-",
                grouped(row["total"] or "-"),
                grouped(row["open_amount"]),
                row["currency"],
            )
            for row in found
        ]
        console.print(table(columns, rows) if rows else "No document was imported.")

    app.show({"invoices": found}, render)
