"""The steps of a run, one function each: the command line and Dagster's assets call these.

Every step opens the warehouse, replaces its tables and closes it again, so that steps may run in
one process after another. `begin` and the lock around them are in bill.py.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.failpoints import failpoint
from meterhouse.lake import Lake, Pin
from meterhouse.run.checks import run_checks
from meterhouse.run.context import Run
from meterhouse.run.dbt import NodeResult
from meterhouse.run.drafting import make_drafts
from meterhouse.run.issuing import Issued, issue
from meterhouse.run.manifest import record_manifest
from meterhouse.run.marts import build_marts
from meterhouse.run.rating import rate_due
from meterhouse.run.usage import fold_usage
from meterhouse.run.windows import make_windows, plan_fold
from meterhouse.warehouse import Warehouse

Hear = Callable[[Any], None]


def resume(lake: Lake) -> Run:
    """The run that the warehouse stands at, for a step that is repeated alone."""
    warehouse = Warehouse(lake)
    with warehouse.connect(lake.head()) as db:
        row = db.execute("select through, known_at, snapshot, run_id from ops.run").fetchone()
    if row is not None:
        pin = Pin(int(row[1]), int(row[2]))
        run = Run(warehouse, row[0], pin, pin.batch_seq, False)
        if run.run_id == row[3]:
            return run
    why = "holds no run yet" if row is None else "was built by another version of the code"
    raise UsageError(
        f"The warehouse {why}, so no single step can be repeated. Run all steps: "
        "`meterhouse run --through DATE`, or job `bill` in Dagster."
    )


def cut(run: Run) -> int:
    """Replace the charge windows and the tables of zones; returns the number of windows."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        windows = make_windows(run, db)
    failpoint("run.windows")
    return windows


def fold(run: Run, hear: Hear | None = None) -> list[NodeResult]:
    """Fold new events into usage and determinants; `hear` gets every event of dbt."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        fold_from = plan_fold(run, db)
    results = fold_usage(run, fold_from, hear)
    failpoint("run.usage")
    return results


def rate(run: Run) -> int:
    """Replace billing.desired_lines; returns their number."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        lines = rate_due(run, db)
    failpoint("run.rated")
    return lines


def draft(run: Run) -> tuple[int, int]:
    """Replace billing.drafts and billing.draft_lines; returns the number of each."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        made = make_drafts(run, db)
    failpoint("run.drafted")
    return made


def check(run: Run) -> pl.DataFrame:
    """Run all checks, store their results and, unless the run is dry, its manifest.

    One row per result, as in facts.check_results.
    """
    with run.warehouse.connect(run.pin, run.known_at) as db:
        results = run_checks(run, db)
        failpoint("run.checked")
        if not run.is_dry:
            record_manifest(run, db)
            failpoint("run.manifest")
    return results


def issue_drafts(run: Run) -> Issued:
    """Issue what is approved and what no failed blocking check covers."""
    issued = issue(run.lake, warehouse=run.warehouse)
    failpoint("run.issued")
    return issued


def refresh(run: Run, hear: Hear | None = None) -> list[NodeResult]:
    """Build the marts on the facts after issue; nothing where they stand there already."""
    results = build_marts(run, hear)
    failpoint("run.marts")
    return results


def totals(run: Run) -> list[dict[str, str]]:
    """Number and net of the drafts by kind and currency, as text."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        rows = db.execute(
            "select kind, currency, count(*)::varchar as documents, sum(net)::varchar as net "
            "from billing.drafts group by all order by all"
        ).fetchall()
    return [dict(zip(("kind", "currency", "documents", "net"), row, strict=True)) for row in rows]
