"""Marts: what people query, built after issue at a pin of their own."""

from collections.abc import Callable
from typing import Any

from meterhouse.lake import Lake
from meterhouse.run.context import Run
from meterhouse.run.dbt import NodeResult, build
from meterhouse.run.publishing import PIN, publish
from meterhouse.warehouse import Warehouse, pin_table

MODELS = ("tag:mart", "test_type:singular")


def build_marts(run: Run, tell: Callable[[Any], None] | None = None) -> list[NodeResult]:
    """Build accounting, receivables and reporting on the facts as they are after issue.

    Nothing is built where the marts stand at this pin, day and code already.
    """
    pin = run.lake.head()
    after = Run(run.warehouse, run.through, pin, pin.batch_seq, run.is_dry)
    with run.warehouse.connect(pin) as db:  # From here on the views show what was issued.
        made = db.execute(
            "select run_id from ops.pins where table_name = ? and known_at = ?",
            [PIN, after.known_at],
        ).fetchone()
    if made is not None and made[0] == after.run_id:
        return []
    results = build(after, MODELS, tell=tell)
    with run.warehouse.connect(pin) as db:
        pin_table(db, PIN, len(results))
        db.execute(
            "update ops.pins set known_at = ?, run_id = ? where table_name = ?",
            [after.known_at, after.run_id, PIN],
        )
    return results


def refresh_marts(lake: Lake) -> None:
    """Show what was just posted, if a run has made marts before; and publish it."""
    warehouse = Warehouse(lake)
    if not warehouse.path.exists():
        return
    with warehouse.connect(lake.head()) as db:
        row = db.execute("select through, known_at from ops.run").fetchone()
        made = db.execute("select 1 from ops.pins where table_name = ?", [PIN]).fetchone()
    if row is not None and made is not None:
        build_marts(Run(warehouse, row[0], lake.head(), row[1], is_dry=False))
        publish(warehouse)
