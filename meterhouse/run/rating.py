"""Rate every due charge window: what it should cost, whatever was billed before."""

from collections.abc import Callable
from functools import partial

import duckdb
import polars as pl
from polars.exceptions import PolarsError

from meterhouse.errors import MeterhouseError
from meterhouse.pricing.modifiers.burn_down import burn_down
from meterhouse.pricing.modifiers.grants import Draws
from meterhouse.run import thresholds
from meterhouse.run.charged_lines import LINES, charged, read_contracts, read_windows
from meterhouse.run.context import Run
from meterhouse.run.grants import keep_grants
from meterhouse.run.parts import merged, parts_of

DUE = """
create or replace temp view due as
select windows.* replace (coalesce(determinants.dimensions, windows.dimensions) as dimensions),
    determinants.determinant_id,
    coalesce(determinants.quantity, windows.fixed_quantity) as asked,
    determinants.event_count,
    -- A window has one line for each combination of dimension values.
    coalesce(determinants.determinant_id, windows.window_id) as rated_id,
    windows.window_id in (select window_id from last_windows)
        and windows.window_id not in (select window_id from {early}) as is_period_last
from billing.charge_windows as windows
left join usage.determinants as determinants using (window_id)
where (
    windows.due_on <= date '{through}'
    -- What was billed stays wanted, also where it would be due later now.
    or windows.window_id in (
        select window_id from facts.billed_lines where due_on <= date '{through}'
    )
    -- A threshold bills what is not due yet.
    or windows.window_id in (select window_id from {early})
) and {of}
"""
# A minimum is charged on the last window of an item's period, whatever is due.
LAST = """
create or replace temp view last_windows as
select arg_max(window_id, window_start) as window_id
from billing.charge_windows group by contract_id, item_id, period_start_on
"""
# The lines of contracts that have commitments at all.
COMMITTED = """
select contract_id, item_id, component, dimensions, timing, window_id, window_start_on,
    window_end_on, window_end_seconds, due_on, currency, amount
from billing.desired_lines
where contract_id in (
    select contract_id from book.contracts
    where json_array_length(modifiers::json, '$.commitments') > 0
)
"""
FAILURES = {"contract_id": pl.String, "customer_id": pl.String, "sentence": pl.String}


def make_due(run: Run, db: duckdb.DuckDBPyConnection, of: str = "true") -> None:
    """Make the view `due`: the windows that are due with what was measured, a row for each line.

    `of` is SQL over a row of `windows`, where only some are wanted.
    """
    db.execute(LAST)
    db.execute(DUE.format(through=run.through.isoformat(), of=of, early=thresholds.TABLE))


def rate_due(run: Run, db: duckdb.DuckDBPyConnection, of: str = "true") -> int:
    """Replace billing.desired_lines, one row per due window and modifier with quantity, amounts
    and steps, billing.commitments, one row per commitment and span, and what grants paid.

    A contract that cannot be rated leaves the run with its reason in ops.failures; the others
    are rated as if it were not there. `of` is SQL over a row of `windows`, where only some are
    wanted.
    """
    contracts, draws = read_contracts(db), Draws()
    thresholds.find_reached(run, db, of, partial(_rated_alone, run, db, contracts))
    make_due(run, db, of)
    due, parts = merged(db, "due"), parts_of(db, "due")
    charge = partial(charged, contracts=contracts, through=run.through, parts=parts, draws=draws)
    rated, failures = rate_apart(read_windows(db, due), charge)
    run.warehouse.replace(db, "ops.failures", failures)
    db.register("lines", rated.to_arrow())
    lines = run.warehouse.replace_by(db, "billing.desired_lines", LINES.format(windows=due))
    db.unregister("lines")
    if lines != rated.height:
        raise AssertionError(f"{rated.height} rated lines became {lines} desired ones.")
    burnt = burn_down(db.sql(COMMITTED).pl(), contracts, run.through)
    run.warehouse.replace(db, "billing.commitments", burnt)
    keep_grants(run, db, draws, contracts)
    return lines


def _rated_alone(
    run: Run, db: duckdb.DuckDBPyConnection, contracts: pl.DataFrame, of: str
) -> pl.DataFrame:
    """The lines of windows themselves: contract_id, window_id, component and amount.

    Contracts that cannot be rated have none.
    """
    make_due(run, db, of)
    due, parts = merged(db, "due"), parts_of(db, "due")
    windows = read_windows(db, due)
    charge = partial(charged, contracts=contracts, through=run.through, parts=parts)
    rated, _ = rate_apart(windows, charge)
    named = windows.select("contract_id", based_on="window_id", charge_id="charge_id")
    own = rated.filter(pl.col("window_id") == pl.col("based_on"))
    return own.join(named, on="based_on", validate="1:1").select(
        "contract_id", "component", "amount", window_id="charge_id"
    )


def rate_apart(
    windows: pl.DataFrame, rate: Callable[[pl.DataFrame], pl.DataFrame]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All windows in one pass; only where that fails, halves, until the contract is found.

    What `rate` gives of all others, and the contracts that failed as FAILURES.
    """
    try:
        return rate(windows), pl.DataFrame(schema=FAILURES)
    except (MeterhouseError, PolarsError) as error:
        contracts = windows["contract_id"].unique().sort()
        if len(contracts) == 1:
            return rate(windows.clear()), _failure(windows, error)
        half = contracts[: len(contracts) // 2]
        chosen = pl.col("contract_id").is_in(half.implode())
        parts = [rate_apart(windows.filter(of), rate) for of in (chosen, ~chosen)]
        return pl.concat([p[0] for p in parts]), pl.concat([p[1] for p in parts])


def _failure(windows: pl.DataFrame, error: Exception) -> pl.DataFrame:
    contract, customer = windows["contract_id"][0], windows["customer_id"][0]
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    sentence = (
        f"Contract {contract} could not be rated and left the run: {reason}. Nothing of it was "
        "billed. Correct the contract or its usage and run again."
    )
    return pl.DataFrame([(contract, customer, sentence)], schema=FAILURES, orient="row")
