"""Rate every due charge window: what it should cost, whatever was billed before."""

import duckdb
import polars as pl

from meterhouse.money import QUANTITY
from meterhouse.pricing.rating import rate_windows
from meterhouse.run.context import Run

TABLE = "billing.desired_lines"

DUE = """
select windows.*, determinants.determinant_id,
    coalesce(determinants.quantity, windows.fixed_quantity) as quantity,
    determinants.event_count
from billing.charge_windows as windows
left join usage.determinants as determinants using (window_id)
where windows.due_on <= ?
"""


def rate_due(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Replace billing.desired_lines: one row per due window with quantity, amounts and steps."""
    windows = db.sql(DUE, params=[run.through]).pl().with_columns(pl.col("quantity").cast(QUANTITY))
    rated = rate_windows(windows)
    desired = windows.drop("quantity").join(rated, on="window_id", how="left", validate="1:1")
    return run.warehouse.replace(db, TABLE, desired)
