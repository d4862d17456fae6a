"""Usage: from new events to daily aggregates and the determinant of every charge window."""

from collections.abc import Callable
from typing import Any

import duckdb

from meterhouse.canonical import short_hash
from meterhouse.run.asking import asked_days
from meterhouse.run.context import Run, code_hash
from meterhouse.run.dbt import NodeResult, build, parsed
from meterhouse.run.kept import forget, is_kept, keep
from meterhouse.run.meter_models import meter_models
from meterhouse.warehouse import pin_table

VIEWS = "path:models/staging"
MODELS = (VIEWS, "path:models/usage")
COMPILED = """
select
    (select string_agg(rules::varchar, '|' order by rules::varchar) from ops.meter_rules as rules),
    (
        select string_agg(distinct name, '|' order by name) from book.properties
        where not is_required
    )
"""
# The one view that is another for each run: the events that are new.
EACH_TIME = "stg_facts__new_events"
TABLES = ("usage.daily", "usage.measured", "usage.determinants")


def fold_usage(
    run: Run, fold_from: int, tell: Callable[[Any], None] | None = None
) -> list[NodeResult]:
    """Build the usage models and their tests, then pin what they made.

    The files of the events that are folded or measured are compared with their hashes first.
    """
    with run.warehouse.connect(run.pin, run.known_at) as db:
        days = asked_days(db, "ops.asks")
        made_of = _views_of(run, db)
        # Dagster is told of every view.
        models = _models_of(db, made_of) if tell is None else MODELS
    with run.lake.reading() as db:
        damaged = run.lake.verify(db, ["usage_events"], fold_from, days)
    if damaged:
        raise damaged[0]
    results = build(run, (*models, *_sql_meters(run)), fold_from=fold_from, tell=tell)
    with run.warehouse.connect(run.pin, run.known_at) as db:
        keep(db, VIEWS, made_of)
        for table in TABLES:
            counted = db.execute(f"select count(*) from {table}").fetchone()
            pin_table(db, table, int(counted[0]) if counted else 0)
    return results


def _views_of(run: Run, db: duckdb.DuckDBPyConnection) -> str:
    """What the views are made of: our code, the columns of events, which properties add to, and
    what dbt reads while it compiles them: the rules of meters, and what properties may lack."""
    columns = db.sql("select * from facts.usage_events limit 0").columns
    compiled = db.execute(COMPILED).fetchone() or ()
    return short_hash([code_hash(run.lake.settings.models), *columns, *map(str, compiled)])


def _models_of(db: duckdb.DuckDBPyConnection, made_of: str) -> tuple[str, ...]:
    """What has to be built: views that stand are left, because each costs dbt some time."""
    if not is_kept(db, VIEWS, made_of):
        forget(db, VIEWS)
        return MODELS
    return (*(one for one in MODELS if one != VIEWS), EACH_TIME)


def _sql_meters(run: Run) -> tuple[str, ...]:
    """The home's SQL meters and what they are made from; dbt warns of a tag that nothing has."""
    return ("+tag:meter",) if meter_models(parsed(run.lake.settings)) else ()
