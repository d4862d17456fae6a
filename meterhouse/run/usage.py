"""Usage: from new events to daily aggregates and the determinant of every charge window."""

from collections.abc import Callable
from typing import Any

from meterhouse.run.asking import asked_days
from meterhouse.run.context import Run
from meterhouse.run.dbt import NodeResult, build, parsed
from meterhouse.run.meter_models import meter_models
from meterhouse.warehouse import pin_table

MODELS = ("path:models/staging", "path:models/usage")
TABLES = ("usage.daily", "usage.measured", "usage.determinants")


def fold_usage(
    run: Run, fold_from: int, tell: Callable[[Any], None] | None = None
) -> list[NodeResult]:
    """Build the usage models and their tests, then pin what they made.

    The files of the events that are folded or measured are compared with their hashes first.
    """
    with run.warehouse.connect(run.pin, run.known_at) as db:
        days = asked_days(db, "ops.asks")
    with run.lake.reading() as db:
        damaged = run.lake.verify(db, ["usage_events"], fold_from, days)
    if damaged:
        raise damaged[0]
    results = build(run, (*MODELS, *_sql_meters(run)), fold_from=fold_from, tell=tell)
    with run.warehouse.connect(run.pin, run.known_at) as db:
        for table in TABLES:
            counted = db.execute(f"select count(*) from {table}").fetchone()
            pin_table(db, table, int(counted[0]) if counted else 0)
    return results


def _sql_meters(run: Run) -> tuple[str, ...]:
    """The home's SQL meters and what they are made from; dbt warns of a tag that nothing has."""
    return ("+tag:meter",) if meter_models(parsed(run.lake.settings)) else ()
