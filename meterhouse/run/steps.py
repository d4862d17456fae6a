"""The steps of a run, one function each: the command line and Dagster's assets call these.

A step replaces its tables through the connection it is given; the steps that call dbt are given
none, for dbt opens the file itself. `begin` and the lock around the steps are in bill.py.
"""

from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl

from meterhouse.errors import UsageError
from meterhouse.failpoints import failpoint
from meterhouse.lake import Lake, Pin
from meterhouse.run.checks import run_checks
from meterhouse.run.context import Run
from meterhouse.run.dbt import NodeResult
from meterhouse.run.drafting import make_drafts
from meterhouse.run.expectations import run_expectations
from meterhouse.run.issuing import Issued, issue
from meterhouse.run.manifest import record_manifest
from meterhouse.run.marts import build_marts
from meterhouse.run.planning import plan_fold
from meterhouse.run.rating import rate_due
from meterhouse.run.shadows import measure_shadows
from meterhouse.run.usage import fold_usage
from meterhouse.run.windows import make_windows
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


def cut(run: Run, db: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Replace the charge windows and zones, and plan the fold.

    Returns the number of windows and the batch after which events have to be read.
    """
    windows = make_windows(run, db)
    return windows, plan_fold(run, db)


def fold(run: Run, fold_from: int | None, hear: Hear | None = None) -> list[NodeResult]:
    """Fold new events into usage and determinants; `hear` gets every event of dbt.

    Without `fold_from`, as when the step is repeated alone, the fold is planned again.
    """
    failpoint("run.windows")
    if fold_from is None:
        with run.warehouse.connect(run.pin, run.known_at) as db:
            fold_from = plan_fold(run, db)
    results = fold_usage(run, fold_from, hear)
    failpoint("run.usage")
    return results


def rate(run: Run, db: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Rate what changed; the number of all desired lines, and of the windows that were rated."""
    rated = rate_due(run, db)
    failpoint("run.rated")
    return rated.lines, rated.windows


def shadow(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Measure and rate what runs beside the meters that are billed; returns the lines of both."""
    return measure_shadows(run, db)


def draft(run: Run, db: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Replace billing.drafts and billing.draft_lines; returns the number of each."""
    made = make_drafts(run, db)
    failpoint("run.drafted")
    return made


def check(run: Run, db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Run all checks and expectations, store their results and, if not dry, the manifest.

    One row per result, as in facts.check_results.
    """
    results = run_checks(run, db)
    expected = run_expectations(run, db).select(results.columns)
    failpoint("run.checked")
    if not run.is_dry:
        record_manifest(run, db)
        failpoint("run.manifest")
    return pl.concat([results, expected])


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


def totals(db: duckdb.DuckDBPyConnection, which: str = "true") -> list[dict[str, str]]:
    """Number and net of the drafts by kind and currency, as text; `which` is SQL over a draft."""
    rows = db.execute(
        "select kind, currency, count(*)::varchar as documents, sum(net)::varchar as net "
        f"from billing.drafts where {which} group by all order by all"
    ).fetchall()
    return [dict(zip(("kind", "currency", "documents", "net"), row, strict=True)) for row in rows]


def left(db: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What issuing left of the drafts: `totals` of them, and `left`, the number of drafts and
    lines."""
    stays = "draft_id not in (select document_id from facts.documents)"
    drafts = db.sql(f"select count(*) from billing.drafts where {stays}").fetchone()
    lines = db.sql(f"select count(*) from billing.draft_lines where {stays}").fetchone()
    counts = {"drafts": drafts[0] if drafts else 0, "draft_lines": lines[0] if lines else 0}
    return {"left": counts, "totals": totals(db, stays)}
