"""What people add to drafts by hand, beside what contracts make due.

Every place that makes drafts takes it from here: runs, previews and rebuilds know the same commands
and add the same lines. Commands are looked at once, and only in a home that has any.
"""

from datetime import date

import duckdb
import polars as pl

from meterhouse.run import one_offs
from meterhouse.run.one_offs import COMMAND

HAS = f"select count(*) filter (kind = '{COMMAND}') from facts.commands"


def with_added(db: duckdb.DuckDBPyConnection, lines: pl.DataFrame, through: date) -> pl.DataFrame:
    """The lines to bill (columns.LINE) with those that people added."""
    row = db.execute(HAS).fetchone()
    if row is None or not row[0]:
        return lines
    return pl.concat([lines, one_offs.due_lines(db, through).select(lines.columns)])
