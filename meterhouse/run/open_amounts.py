"""What is still due of an issued document, and what of a credit note is not given yet."""

from decimal import Decimal

import duckdb

# Less what prepaid credit, the balance and credit notes took off; of a note what it gave.
OPEN = """
select cast(
    documents.total
    - coalesce(cast(json_extract_string(content, '$.prepaid_applied') as decimal(38, 18)), 0)
    - coalesce(cast(json_extract_string(content, '$.balance_applied') as decimal(38, 18)), 0)
    - coalesce((select sum(amount) from facts.applications where document_id = $id), 0)
    + coalesce((select sum(amount) from facts.applications where source_id = $id), 0)
    + coalesce((
        select sum(amount) from facts.balance_moves where document_id = $id and kind = 'lot'
    ), 0)
    as decimal(38, 18)
)
from facts.documents as documents where documents.document_id = $id
"""


def open_amount(db: duckdb.DuckDBPyConnection, document_id: str) -> Decimal:
    """What is due of an issued document, in its currency; below zero what is left of a note."""
    row = db.execute(OPEN, {"id": document_id}).fetchone()
    return Decimal(row[0]) if row else Decimal(0)
