"""What contracts were billed by the system before, and what of it is not earned yet."""

import duckdb
import polars as pl

from meterhouse.canonical import sha256_text
from meterhouse.contracts.covered import COVERED

SQL = """
select contract_id, item_id, max(until_on) as paid_through
from facts.imported_openings where kind = 'paid_through'
group by all order by all
"""
# The columns of what is billed in advance, in their order; a schedule is a line of its own.
SCHEDULES = """
select opening_id as document_id, opening_id as line_key, entity_id, customer_id, contract_id,
    item_id, currency, amount, from_on as window_start_on, until_on as window_end_on,
    until_on as served_end_on, cut_over_on as posting_date
from facts.imported_openings where kind = 'schedule' order by batch_seq, row_no
"""


def read_schedules(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """What was left to earn at the cut-over: one row per schedule, as a line billed in advance."""
    return db.sql(SCHEDULES).pl()


def read_covered(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per contract and item (null: all others): the first day that is not billed yet."""
    return db.sql(SQL).pl().cast(COVERED)


def covered_hash(db: duckdb.DuckDBPyConnection) -> str:
    """What windows that are kept were cut by; empty where nothing was imported."""
    covered = read_covered(db)
    return "" if covered.is_empty() else sha256_text(covered.write_csv())
