"""That documents reached their customers, where somebody else than Meterhouse sent them."""

from collections.abc import Sequence

from meterhouse.canonical import canonical_json
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.commands import record

SENT = "sent"
ASKED = """
select number, document_id, content_hash, exists (
    select 1 from lake.facts.commands as commands
    where commands.kind = 'sent' and commands.subject_id = documents.document_id
) as is_known
from lake.facts.documents as documents where list_contains(?, number) order by number
"""


def mark_sent(lake: Lake, numbers: Sequence[str], reason: str) -> list[str]:
    """Record that these documents were sent; returns the numbers that were not known as sent."""
    with lake.session() as db:
        rows = db.execute(ASKED, [list(numbers)]).fetchall()
        unknown = sorted(set(numbers) - {row[0] for row in rows})
        if unknown:
            raise UsageError(
                f"No document has the number {', '.join(unknown)}. Nothing was recorded. "
                "`meterhouse invoices list` shows the numbers."
            )
        new = [row for row in rows if not row[3]]
        if new:
            subjects = [(row[1], row[2]) for row in new]
            told = canonical_json({"reason": reason})
            lake.commit(db, lambda commit: record(commit, SENT, subjects, told, "Sent."))
    return [row[0] for row in new]
