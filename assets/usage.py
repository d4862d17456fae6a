"""From events to the quantity of every charge window: Python cuts, dbt folds."""

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from assets.dbt import MANIFEST, TRANSLATOR, reported
from assets.metadata import Metadata, counted, described, standing, tables
from assets.partitions import DAY, ONE_RUN, through
from assets.resources import BillingRun
from assets.specs import daily_specs
from meterhouse.run import steps

WINDOWS = {
    ("billing", "charge_windows"): "One row per contract item and window of service.",
    ("billing", "window_members"): "One row per window of a pool, customer and span of days.",
    ("billing", "coverage"): "One row per span of time in which an item reads its meter.",
    ("billing", "contract_terms"): "One row per contract with an end and term of it.",
    ("usage", "zone_offsets"): "One row per zone and span of one offset from UTC.",
    ("usage", "zone_days"): "One row per zone and local day, with its instants in UTC.",
}


@dg.multi_asset(
    name="cut",
    specs=daily_specs(
        WINDOWS,
        [
            ["ops", "run"],
            ["book", "contracts"],
            ["book", "contract_items"],
            ["book", "meters"],
            ["facts", "usage_events"],
        ],
        owner="team:billing",
        kinds={"polars", "duckdb"},
        group="usage",
    ),
    backfill_policy=ONE_RUN,
)
def cut(context: dg.AssetExecutionContext, billing: BillingRun) -> Iterator[dg.MaterializeResult]:
    """Cut every contract into charge windows at local midnights."""
    run = billing.at(through(context))
    with run.warehouse.connect(run.pin, run.known_at) as db:
        _, fold_from = steps.cut(run, db)
    billing.plan_fold(fold_from)
    with tables(run) as db:
        for key in WINDOWS:
            yield dg.MaterializeResult(
                asset_key=list(key),
                metadata={**standing(run, billing), **described(db, ".".join(key))},
            )


@dbt_assets(
    manifest=MANIFEST,
    dagster_dbt_translator=TRANSLATOR,
    name="fold",
    # With the home's own SQL meters, if it has any, and what they are made from.
    select="fqn:meterhouse.staging fqn:meterhouse.usage +tag:meter",
    partitions_def=DAY,
    backfill_policy=ONE_RUN,
)
def fold(context: dg.AssetExecutionContext, billing: BillingRun) -> Iterator[Any]:
    """Fold new events into daily usage and determinants; the tests run between the models.

    The whole group is built, also when a part of it was selected: the tables belong together.
    """
    run = billing.at(through(context))

    def describe(keys: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, Metadata]:
        # Views over all events: counting them would read the lake.
        own = [key for key in keys if key.path[0] != "staging"]
        with tables(run) as db:
            return counted(db, own, standing(run, billing))

    yield from reported(context, lambda hear: steps.fold(run, billing.fold_from, hear), describe)
