"""Rate due charge windows: what they should cost, whatever was billed before."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import duckdb
import polars as pl
from polars.exceptions import PolarsError

from meterhouse.errors import MeterhouseError
from meterhouse.pricing.modifiers.burn_down import burn_down
from meterhouse.pricing.modifiers.grants import Draws
from meterhouse.run import thresholds
from meterhouse.run.charged_lines import LINES, charged, read_contracts, read_windows
from meterhouse.run.context import Run
from meterhouse.run.grants import keep_grants, standing
from meterhouse.run.inputs import (
    ACROSS,
    UNIT,
    find_changed,
    forget_rated,
    keep_units,
    kept_contracts,
    record_units,
)
from meterhouse.run.moved import note_failed
from meterhouse.run.parts import merged, parts_of
from meterhouse.warehouse import pin_table

DUE = """
create or replace temp view due as
select windows.* replace (coalesce(determinants.dimensions, windows.dimensions) as dimensions),
    {unit} as unit_no,
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
    or windows.window_id in (select window_id from billed_before)
    -- A threshold bills what is not due yet.
    or windows.window_id in (select window_id from {early})
) and {of}
"""
# What was billed stays wanted, also where it would be due later now.
BILLED = """
create or replace temp table billed_before as
select window_id from billing.charge_windows
where due_on > date '{through}' and window_id in (
    select window_id from facts.standing_lines where due_on <= date '{through}'
)
"""
# A minimum is charged on the last window of an item's period, whatever is due. Only the modifiers
# of items ask which it is.
LAST = """
create or replace temp view last_windows as
select arg_max(window_id, window_start) as window_id
from billing.charge_windows
where contract_id in (
    select contract_id from billing.charge_windows where modifiers is not null
)
group by contract_id, item_id, period_start_on
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
CHANGED = """
create or replace temp table due_changed as
select due.* from due semi join units_changed using (unit_no)
"""
# Windows that are rated at once: what they cost is held in memory.
GROUP = 120_000
Charge = Callable[..., pl.DataFrame]


class Rated(NamedTuple):
    """How many lines stand now, and of how many windows they were rated just now."""

    lines: int
    windows: int


FAILURES = {"contract_id": pl.String, "customer_id": pl.String, "sentence": pl.String}


def make_due(run: Run, db: duckdb.DuckDBPyConnection, of: str = "true") -> None:
    """Make the view `due`: the windows that are due with what was measured, a row for each line.

    `of` is SQL over a row of `windows`, where only some are wanted.
    """
    through = run.through.isoformat()
    for made in (LAST, ACROSS, BILLED.format(through=through)):
        db.execute(made)
    db.execute(DUE.format(through=through, of=of, early=thresholds.TABLE, unit=UNIT))


def rate_due(run: Run, db: duckdb.DuckDBPyConnection, of: str = "true") -> Rated:
    """Have billing.desired_lines, one row per due window and modifier with quantity, amounts and
    steps, billing.commitments, one row per commitment and span, and what grants paid say what the
    run's facts say.

    Only units whose inputs changed are rated, see inputs.py; the lines of the others stand. A
    contract that cannot be rated leaves the run with its reason in ops.failures; the others are
    rated as if it were not there. `of` is SQL over a row of `windows`, where only some are wanted:
    then the tables hold these alone, and all of them are rated.
    """
    contracts, draws = read_contracts(db), Draws()
    thresholds.find_reached(run, db, of, partial(_rated_alone, run, db, contracts))
    make_due(run, db, of)
    if of != "true":
        forget_rated(db)
    windows = find_changed(run, db)
    kept = kept_contracts(db)
    rest = contracts.filter(~pl.col("contract_id").is_in(kept.implode()))
    charge = partial(charged, contracts=rest, through=run.through, draws=draws)
    lines, failures = _replace_lines(run, db, charge, windows)
    run.warehouse.replace(db, "ops.failures", failures)
    _keep_commitments(run, db, rest, kept)
    keep_grants(run, db, draws, rest, kept)
    record_units(db, failures["contract_id"])
    if of != "true":
        forget_rated(db)
    return Rated(lines, windows)


def _replace_lines(
    run: Run, db: duckdb.DuckDBPyConnection, charge: Charge, windows: int
) -> tuple[int, pl.DataFrame]:
    """Put the lines of the changed units in the place of those that stood; how many lines there
    are, and the contracts that failed.

    All in one transaction, contracts in groups that bound the memory.
    """
    db.execute(CHANGED)
    groups = max(1, -(-windows // GROUP))
    db.execute("begin")
    _make_room(db)
    keep_units(db)
    failures = [
        _rate_group(db, charge, f"hash(contract_id) % {groups} = {group}")
        for group in range(groups)
    ]
    failed = pl.concat(failures)
    _drop_failed(db, failed)
    counted = db.execute("select count(*) from billing.desired_lines").fetchone()
    lines = int(counted[0]) if counted else 0
    pin_table(db, "billing.desired_lines", lines)
    db.execute("commit")
    db.execute("drop table due_changed")
    return lines, failed


def _make_room(db: duckdb.DuckDBPyConnection) -> None:
    """Have billing.desired_lines hold the lines that stand, and nothing else."""
    stands = db.execute("select 1 from ops.rated limit 1").fetchone()
    if stands is None:
        db.execute("drop table if exists billing.desired_lines")
        return
    db.execute(
        "delete from billing.desired_lines where unit_no not in (select unit_no from units_kept)"
    )


def _rate_group(db: duckdb.DuckDBPyConnection, charge: Charge, of: str) -> pl.DataFrame:
    """Add the lines of some contracts to billing.desired_lines; those that failed."""
    db.execute(f"create or replace temp view due_group as from due_changed where {of}")
    due, parts = merged(db, "due_group"), parts_of(db, "due_group")
    rated, failures = rate_apart(read_windows(db, due), partial(charge, parts=parts))
    db.register("lines", rated.to_arrow())
    select = LINES.format(windows=due)
    db.execute(f"create table if not exists billing.desired_lines as from ({select}) limit 0")
    counted = db.execute(f"insert into billing.desired_lines by name {select}").fetchone()
    db.unregister("lines")
    lines = int(counted[0]) if counted else 0
    if lines != rated.height:
        raise AssertionError(f"{rated.height} rated lines became {lines} desired ones.")
    return failures


def _drop_failed(db: duckdb.DuckDBPyConnection, failed: pl.DataFrame) -> None:
    """Of a contract that failed no line stands, also of units that were not rated again."""
    if failed.is_empty():
        return
    db.register("failed", failed.select("contract_id").to_arrow())
    db.execute(
        "delete from billing.desired_lines where contract_id in (select contract_id from failed)"
    )
    note_failed(db, "select contract_id from failed")
    forget_rated(db, "contract_no in (select hash(contract_id) from failed)")
    db.unregister("failed")


def _keep_commitments(
    run: Run, db: duckdb.DuckDBPyConnection, rated: pl.DataFrame, kept: pl.Series
) -> None:
    """Replace billing.commitments; of contracts that were not rated they stand."""
    burnt = burn_down(db.sql(COMMITTED).pl(), rated, run.through)
    stood = standing(db, "billing.commitments", kept, burnt)
    keys = ("contract_id", "commitment_id", "span_start_on")
    run.warehouse.replace(db, "billing.commitments", pl.concat([stood, burnt]).sort(keys))


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
