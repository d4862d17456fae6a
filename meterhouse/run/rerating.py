"""All lines rated again, against those that were kept: the proof at a close, and `rebill`.

A run rates only what changed (see inputs.py). Here nothing is taken as it stands: in a scratch
warehouse every window is rated again, under the present code.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple

import duckdb
import polars as pl

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.billed import KEY
from meterhouse.run.context import Run
from meterhouse.run.finished import forget_finish
from meterhouse.run.inputs import are_kept, forget_rated
from meterhouse.run.planning import plan_fold
from meterhouse.run.previewing import last_through
from meterhouse.run.rating import rate_due
from meterhouse.run.reusing import is_folded
from meterhouse.run.scratch import scratch_run
from meterhouse.run.usage import fold_usage
from meterhouse.run.windows import make_windows
from meterhouse.warehouse import Warehouse

Tell = Callable[[str], None]
KEPT = """
create or replace temp table kept_lines as
select * from billing.desired_lines
where unit_no in (select unit_no from units_kept) and {of}
"""
# Lines of which one side has another row, or none.
DIFFERING = """
with kept_alone as (from kept_lines except all from rated_lines),
rated_alone as (from rated_lines except all from kept_lines),
sides as (
    select contract_id, window_id, item_id, window_start_on, currency, amount as kept,
        cast(0 as decimal(38, 18)) as rated
    from kept_alone
    union all
    select contract_id, window_id, item_id, window_start_on, currency, 0, amount from rated_alone
)
select contract_id, window_id, any_value(item_id) as item_id,
    any_value(window_start_on) as window_start_on, any_value(currency) as currency,
    sum(kept)::decimal(38, 18) as kept, sum(rated)::decimal(38, 18) as rated
from sides group by contract_id, window_id order by contract_id, window_start_on, window_id
"""
# What was billed of windows that are due, and what it should have been.
REBILLED = f"""
with billed as (
    select {KEY}, sum(amount) as billed
    from (
        select {KEY}, due_on, amount from facts.standing_lines
        union all select {KEY}, due_on, amount from facts.standing_write_offs
    )
    where due_on <= date '{{through}}' and {{of}} group by all
),
wanted as (
    select {KEY}, sum(amount) as amount from billing.desired_lines where {{of}} group by all
)
select {KEY}, billed::decimal(38, 18) as billed,
    coalesce(wanted.amount, 0)::decimal(38, 18) as amount,
    (coalesce(wanted.amount, 0) - billed)::decimal(38, 18) as difference
from billed left join wanted using ({KEY})
where contract_id not in (select contract_id from ops.failures)
    and coalesce(wanted.amount, 0) <> billed
order by contract_id, window_start_on, item_id, component, dimensions
"""


class Rebilled(NamedTuple):
    """`lines`: billed windows that cost something else now (contract, item, window, billed, amount,
    difference); `windows`: how many were rated again; `warnings`: contracts that could not be."""

    through: date
    windows: int
    lines: pl.DataFrame
    warnings: list[str]


def differing(run: Run, db: duckdb.DuckDBPyConnection, entities: Sequence[str]) -> list[str]:
    """A sentence for each window of the entities whose kept lines are not what rating all of it
    again gives; the windows are cut and usage is folded."""
    db.register("entities_in", pl.DataFrame({"entity_id": list(entities)}).to_arrow())
    db.execute("create or replace temp table proved as select * from entities_in")
    db.unregister("entities_in")
    of = (
        "contract_id in (select contract_id from billing.charge_windows "
        "where entity_id in (select entity_id from proved))"
    )
    if not are_kept(db):
        return []
    rate_due(run, db)
    db.execute(KEPT.format(of=of))
    db.execute("create or replace temp table proved_units as from units_kept")
    rate_due(run, db, f"windows.{of}")
    db.execute(
        "create or replace temp view rated_lines as select * from billing.desired_lines "
        "where unit_no in (select unit_no from proved_units)"
    )
    rows = db.sql(DIFFERING).pl()
    return [_sentence(row) for row in rows.iter_rows(named=True)]


def _sentence(row: dict[str, Any]) -> str:
    kept, rated = (format(row[name].normalize(), "f") for name in ("kept", "rated"))
    return (
        f"The lines kept of contract {row['contract_id']}, window {row['window_id']} (item "
        f"{row['item_id']} from {row['window_start_on']}), are not what rating it again gives: "
        f"{kept} is kept, {rated} is right, in {row['currency']}. Nothing was closed. "
        f"`meterhouse rebill --contract {row['contract_id']}` has the next run rate it again."
    )


def rebill(
    lake: Lake,
    contracts: Sequence[str] = (),
    *,
    dry_run: bool = False,
    tell: Tell = lambda _: None,
) -> Rebilled:
    """Rate everything (or the contracts named) again under the present code, and say what was
    billed and would be billed otherwise; unless dry, the next run rates it so.

    Raises UsageError where nothing was run yet, or a contract is not in the book.
    """
    with lake.run_lock.held():
        through = last_through(lake)
        if through is None:
            raise UsageError(
                "Nothing was run here yet, so there is nothing to rate again. "
                "Run `meterhouse run --through DATE` first."
            )
        known_at = lake.head().batch_seq
        with scratch_run(lake, through, known_at, copy=True) as run:
            tell("Cutting and folding what is new")
            _prepare(run)
            with run.warehouse.connect(run.pin, run.known_at) as db:
                of = _named(db, contracts)
                tell("Rating again")
                rated = rate_due(run, db, f"windows.{of}" if contracts else "true")
                found = db.sql(REBILLED.format(through=through.isoformat(), of=of)).pl()
                told = db.execute("select sentence from ops.failures order by 1").fetchall()
        if not dry_run:
            _forget(lake, contracts)
    return Rebilled(through, rated.windows, found, [row[0] for row in told])


def _prepare(run: Run) -> None:
    with run.warehouse.connect(run.pin, run.known_at) as db:
        forget_rated(db)
        make_windows(run, db)
        fold_from = plan_fold(run, db)
        folded = is_folded(db, fold_from)
    if not folded:
        fold_usage(run, fold_from)


def _named(db: duckdb.DuckDBPyConnection, contracts: Sequence[str]) -> str:
    """SQL for a row of the contracts named, or of any."""
    if not contracts:
        return "true"
    db.register("named_in", pl.DataFrame({"contract_id": sorted(set(contracts))}).to_arrow())
    db.execute("create or replace temp table named as select * from named_in")
    db.unregister("named_in")
    unknown = db.execute(
        "select contract_id from named anti join book.contracts using (contract_id) order by 1"
    ).fetchall()
    if unknown:
        names = ", ".join(row[0] for row in unknown)
        raise UsageError(f"No contract in the book is named {names}. Nothing was rated.")
    return "contract_id in (select contract_id from named)"


def _forget(lake: Lake, contracts: Sequence[str]) -> None:
    """Have the next run rate the contracts again, all without a name."""
    with Warehouse(lake).connect(lake.head()) as db:
        forget_finish(db)
        if not contracts:
            forget_rated(db)
            return
        _named(db, contracts)
        forget_rated(db, "contract_no in (select hash(contract_id) from named)")
