"""Marts: what people query, built after issue at a pin of their own."""

from collections.abc import Callable
from typing import Any

from meterhouse.run.context import Run
from meterhouse.run.dbt import NodeResult, build
from meterhouse.warehouse import pin_table

MODELS = ("tag:mart", "test_type:singular")
PIN = "reporting.*"


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
