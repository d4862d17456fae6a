"""How far DuckDB plans a query over the lake: in a small lake that takes longer than to read it.

To order joins and to carry statistics from operator to operator DuckDB asks the catalog for the
files of every table of a query, some 20 ms for a table. Both only make queries faster: what they
return is the same.
"""

import duckdb

# More rows or files than these, and planning is worth its time. So few can be joined in any order.
MOST_ROWS, MOST_FILES = 5_000, 2_000
LEFT_OUT = "join_order,statistics_propagation"
LOOK = f"""
select count(*) <= {MOST_FILES} and coalesce(sum(record_count), 0) <= {MOST_ROWS}
from (
    select record_count from __ducklake_metadata_lake.ducklake_data_file limit {MOST_FILES + 1}
)
"""


def left_out(db: duckdb.DuckDBPyConnection) -> str:
    """The optimizers of DuckDB that queries over the attached lake do without, maybe none."""
    row = db.execute(LOOK).fetchone()
    return LEFT_OUT if row is not None and row[0] else ""


def plan_by_size(db: duckdb.DuckDBPyConnection) -> None:
    """Have this connection plan its queries as far as the attached lake is worth it."""
    db.execute(f"set disabled_optimizers = '{left_out(db)}'")
