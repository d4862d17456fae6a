"""What people query: accounting, receivables and reporting, then the copy that readers open."""

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from assets.dbt import MANIFEST, TRANSLATOR, reported
from assets.metadata import Metadata, counted, standing, tables
from assets.partitions import DAY, ONE_RUN, through
from assets.resources import BillingRun
from meterhouse.run import steps
from meterhouse.run.publishing import publish


@dbt_assets(
    manifest=MANIFEST,
    dagster_dbt_translator=TRANSLATOR,
    name="marts",
    select="tag:mart test_type:singular",
    partitions_def=DAY,
    backfill_policy=ONE_RUN,
)
def marts(context: dg.AssetExecutionContext, billing: BillingRun) -> Iterator[Any]:
    """Build the marts on the facts after issue; nothing where they stand there already."""
    run = billing.at(through(context))

    if run.is_dry:  # Nothing is reported, so the published copy is left alone as well.
        context.log.info("A dry run builds no marts.")
        return

    def describe(keys: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, Metadata]:
        with tables(run) as db:
            return counted(db, keys, standing(run, billing))

    yield from reported(context, lambda hear: steps.refresh(run, hear), describe)


@dg.asset(
    key=["published", "warehouse"],
    deps=[marts],
    group_name="marts",
    owners=["team:data"],
    kinds={"duckdb"},
    partitions_def=DAY,
    backfill_policy=ONE_RUN,
)
def published(context: dg.AssetExecutionContext, billing: BillingRun) -> dg.MaterializeResult:
    """The copy of the warehouse that readers open; made only when something changed."""
    run = billing.at(through(context))
    is_published = publish(run.warehouse)
    path = str(run.lake.settings.published)
    return dg.MaterializeResult(
        metadata={
            **standing(run, billing),
            "is_published": is_published,
            "path": dg.MetadataValue.path(path),
        }
    )
