"""Rate every due charge window: what it should cost, whatever was billed before."""

import duckdb
import polars as pl
from polars.exceptions import PolarsError

from meterhouse.errors import MeterhouseError
from meterhouse.money import QUANTITY
from meterhouse.pricing.rating import rate_windows
from meterhouse.run.context import Run

DUE = """
create or replace temp view due as
select windows.* replace (coalesce(determinants.dimensions, windows.dimensions) as dimensions),
    determinants.determinant_id,
    coalesce(determinants.quantity, windows.fixed_quantity) as asked,
    determinants.event_count,
    -- A window has one line for each combination of dimension values.
    coalesce(determinants.determinant_id, windows.window_id) as rated_id
from billing.charge_windows as windows
left join usage.determinants as determinants using (window_id)
where windows.due_on <= date '{through}'
"""
# What the price models read: all else stays in the warehouse and is joined to the result there.
READ = """
select rated_id as window_id, contract_id, customer_id, price_model, price, currency,
    asked as quantity,
    prorate_start, prorate_end, window_start_on, window_end_on, period_start_on, period_end_on
from due
"""
DESIRED = """
select due.* exclude (asked, rated_id), rated.* exclude (window_id)
from due join rated on rated.window_id = due.rated_id
"""
FAILURES = {"contract_id": pl.String, "customer_id": pl.String, "sentence": pl.String}


def rate_due(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Replace billing.desired_lines: one row per due window with quantity, amounts and steps.

    A contract that cannot be rated leaves the run with its reason in ops.failures; the others
    are rated as if it were not there.
    """
    db.execute(DUE.format(through=run.through.isoformat()))
    windows = db.sql(READ).pl().with_columns(pl.col("quantity").cast(QUANTITY))
    rated, failures = rate_apart(windows)
    run.warehouse.replace(db, "ops.failures", failures)
    db.register("rated", rated.to_arrow())
    lines = run.warehouse.replace_by(db, "billing.desired_lines", DESIRED)
    db.unregister("rated")
    if lines != rated.height:
        raise AssertionError(f"{rated.height} rated windows became {lines} lines.")
    return lines


def rate_apart(windows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All windows in one pass; only where that fails, halves, until the contract is found.

    The rated windows as rate_windows gives them, and the contracts that failed as FAILURES.
    """
    try:
        return rate_windows(windows), pl.DataFrame(schema=FAILURES)
    except (MeterhouseError, PolarsError) as error:
        contracts = windows["contract_id"].unique().sort()
        if len(contracts) == 1:
            return rate_windows(windows.clear()), _failure(windows, error)
        half = contracts[: len(contracts) // 2]
        chosen = pl.col("contract_id").is_in(half.implode())
        parts = [rate_apart(windows.filter(chosen)), rate_apart(windows.filter(~chosen))]
        return pl.concat([p[0] for p in parts]), pl.concat([p[1] for p in parts])


def _failure(windows: pl.DataFrame, error: Exception) -> pl.DataFrame:
    contract, customer = windows["contract_id"][0], windows["customer_id"][0]
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    sentence = (
        f"Contract {contract} could not be rated and left the run: {reason}. Nothing of it was "
        "billed. Correct the contract or its usage and run again."
    )
    return pl.DataFrame([(contract, customer, sentence)], schema=FAILURES, orient="row")
