"""The demo job: four stages of usage, a run after each, a close, and what came of it in numbers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from meterhouse.demo.home import DemoPlan, write_home
from meterhouse.demo.stages import Stage
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.bill import Billed, bill
from meterhouse.run.close import close
from meterhouse.run.explain import explain
from meterhouse.run.ingest import Loaded, land
from meterhouse.settings import Settings

OUTCOMES = ("accepted", "duplicate", "conflict", "quarantined")
CLOSE_AFTER = date(2026, 10, 1)

CONSERVED = """
select
    (select sum(received + released) from facts.batches) as received_and_released,
    (select sum(accepted) from facts.batches) as accepted,
    (select sum(duplicate) from facts.batches) as duplicate,
    (select sum(conflict) from facts.batches) as conflict,
    (select sum(quarantined) from facts.batches) as quarantined,
    (select sum(refused) from facts.batches) as refused
"""
FATES = "select fate, sum(event_count)::bigint from usage.fates group by 1 order by 2 desc"
TRIAL = (
    "select entity_id, currency, account, debit::varchar, credit::varchar, balance::varchar "
    "from accounting.trial_balance order by all"
)
RECEIVABLE = """
with ledger as (
    select currency, sum(debit - credit) as amount
    from facts.journal_lines join facts.journal_entries using (entry_id)
    where account = 'accounts_receivable' group by 1
),
open as (select currency, sum(open_amount) as amount from receivables.open_invoices group by 1)
select currency, ledger.amount::varchar, open.amount::varchar, ledger.amount = open.amount
from ledger join open using (currency) order by 1
"""
OUTSIDE = """
select fate, meter_id, sum(event_count)::bigint, sum(quantity)::varchar, currency,
    sum(estimated_value)::varchar
from reporting.usage_without_contract group by all order by all
"""
# Of all documents the one with the most lines of the largest customer.
LARGEST = """
select number from facts.documents
where customer_id = ? and kind = 'invoice' order by total desc, number limit 1
"""


@dataclass
class StageReport:
    """One stage: what landed, what was expected to come of it, and the run."""

    through: date
    expected: dict[str, int]
    got: dict[str, int]
    billed: Billed


@dataclass
class Tour:
    """Everything the demo shows."""

    plan: DemoPlan
    changes: int
    stages: list[StageReport] = field(default_factory=list)
    closed: dict[str, Any] = field(default_factory=dict)
    conserved: dict[str, int] = field(default_factory=dict)
    fates: list[tuple[str, int]] = field(default_factory=list)
    outside: list[tuple[Any, ...]] = field(default_factory=list)
    trial_balance: list[tuple[str, ...]] = field(default_factory=list)
    receivables: list[tuple[Any, ...]] = field(default_factory=list)
    largest: dict[str, Any] = field(default_factory=dict)


def tour(
    home: Path,
    tell: Callable[[str], None] = lambda _: None,
    *,
    customers: int = 200,
    mark: str | None = None,
) -> Tour:
    """Make the company in an empty folder and take it through three months."""
    if home.exists() and any(home.iterdir()):
        raise UsageError(
            f"Folder {home} is not empty; the demo was not started. Name another folder, or "
            "delete this one if it holds an earlier demo."
        )
    tell("Writing the company, its book and three months of events")
    plan = write_home(home, customers=customers)
    if mark is not None:
        (home / mark).touch()
    lake = Lake(Settings.load(home))
    lake.create()
    tell("Recording the book")
    changes, _ = apply_book(lake)
    result = Tour(plan, len(changes))
    for number, stage in enumerate(plan.stages, 1):
        tell(f"Stage {number} of {len(plan.stages)}: billing through {stage.through}")
        report = _run_stage(lake, stage, tell)
        result.stages.append(report)
        if stage.through == CLOSE_AFTER:
            tell(f"Closing before {CLOSE_AFTER}")
            result.closed = close(lake, CLOSE_AFTER)
    _look(lake, result)
    return result


def _run_stage(lake: Lake, stage: Stage, tell: Callable[[str], None]) -> StageReport:
    for source, files in stage.files.items():
        land(lake, source, list(files))
    billed = bill(lake, stage.through, tell=lambda text: tell(f"  {text}"))
    return StageReport(stage.through, dict(stage.outcomes), _sums(billed.loaded), billed)


def _sums(loaded: list[Loaded]) -> dict[str, int]:
    sums = {name: sum(getattr(one, name) for one in loaded) for name in OUTCOMES}
    return {name: count for name, count in sums.items() if count}


def _look(lake: Lake, result: Tour) -> None:
    """Read the figures from the published copy and the lake, as an analyst would."""
    with lake.reading() as db:
        db.execute(f"attach '{lake.settings.published}' as warehouse (read_only)")
        for schema in ("usage", "accounting", "receivables", "reporting"):
            _borrow(db, schema)
        row = db.execute(CONSERVED)
        names = [column[0] for column in row.description]
        result.conserved = dict(zip(names, row.fetchall()[0], strict=True))
        result.fates = db.execute(FATES).fetchall()
        result.outside = db.execute(OUTSIDE).fetchall()
        result.trial_balance = db.execute(TRIAL).fetchall()
        result.receivables = db.execute(RECEIVABLE).fetchall()
        number = db.execute(LARGEST, [result.plan.largest]).fetchone()
    if number is not None:
        result.largest = explain(lake, number[0])


def _borrow(db: duckdb.DuckDBPyConnection, schema: str) -> None:
    """Let short names of a schema mean the published tables."""
    tables = db.execute(
        "select table_name from duckdb_tables() where database_name = 'warehouse' "
        "and schema_name = ?",
        [schema],
    ).fetchall()
    db.execute(f"create schema if not exists {schema}")
    for (table,) in tables:
        db.execute(f"create view {schema}.{table} as from warehouse.{schema}.{table}")
