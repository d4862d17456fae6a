"""From quantities to checked drafts: what should have been billed, minus what was."""

from collections.abc import Iterator

import dagster as dg

from assets.metadata import described, money, standing, table_of, tables
from assets.partitions import DAY, ONE_RUN, through
from assets.resources import BillingRun
from assets.specs import daily_specs
from meterhouse.run import steps

OWNER = "team:billing"


@dg.asset(
    key=["billing", "desired_lines"],
    deps=[["billing", "charge_windows"], ["usage", "determinants"], ["ops", "run"]],
    kinds={"polars", "duckdb"},
    group_name="billing",
    owners=[OWNER],
    partitions_def=DAY,
    backfill_policy=ONE_RUN,
)
def desired_lines(context: dg.AssetExecutionContext, billing: BillingRun) -> dg.MaterializeResult:
    """One row per charge window that is due: what it should cost, whatever was billed before."""
    run = billing.at(through(context))
    with run.warehouse.connect(run.pin, run.known_at) as db:
        steps.rate(run, db)
        return dg.MaterializeResult(
            metadata={
                **standing(run, billing),
                **described(db, "billing.desired_lines"),
                **money(db, "select currency, amount from billing.desired_lines"),
            }
        )


SHADOWS = {
    ("usage", "shadow_determinants"): "One row per charge window, shadow meter and dimensions.",
    ("billing", "shadow_lines"): "One row per shadowed window, side and dimensions, with amounts.",
}


DRAFTS = {
    ("billing", "drafts"): "One row per document that waits: desired minus all billed before.",
    ("billing", "draft_lines"): "One row per line of a draft.",
}
CHECKED = {
    ("facts", "check_results"): "One row per check, scope and run; failed ones hold back issuing.",
    ("facts", "manifests"): "One row per run: what it read, with which code, and what it made.",
}


@dg.multi_asset(
    name="shadow",
    specs=daily_specs(
        SHADOWS,
        [
            *(["billing", name] for name in ("charge_windows", "desired_lines")),
            ["usage", "determinants"],
        ],
        owner=OWNER,
        kinds={"polars", "duckdb"},
    ),
    backfill_policy=ONE_RUN,
)
def shadow(
    context: dg.AssetExecutionContext, billing: BillingRun
) -> Iterator[dg.MaterializeResult]:
    """Measure meters that run beside others, and rate both; nothing where there are none."""
    run = billing.at(through(context))
    with run.warehouse.connect(run.pin, run.known_at) as db:
        steps.shadow(run, db)
    with tables(run) as db:
        for key in SHADOWS:
            yield dg.MaterializeResult(
                asset_key=list(key),
                metadata={**standing(run, billing), **described(db, ".".join(key))},
            )


@dg.multi_asset(
    name="draft",
    specs=daily_specs(
        DRAFTS,
        [
            ["billing", "desired_lines"],
            *(["book", name] for name in ("customers", "entities", "terms", "meters")),
        ],
        owner=OWNER,
        kinds={"polars", "duckdb"},
    ),
    backfill_policy=ONE_RUN,
)
def draft(context: dg.AssetExecutionContext, billing: BillingRun) -> Iterator[dg.MaterializeResult]:
    """Subtract what was billed and gather the rest into documents nobody has approved yet."""
    run = billing.at(through(context))
    with run.warehouse.connect(run.pin, run.known_at) as db:
        steps.draft(run, db)
    with tables(run) as db:
        for table, amount in (("drafts", "net"), ("draft_lines", "amount")):
            yield dg.MaterializeResult(
                asset_key=["billing", table],
                metadata={
                    **standing(run, billing),
                    **described(db, f"billing.{table}"),
                    **money(db, f"select currency, {amount} as amount from billing.{table}"),
                },
            )


@dg.multi_asset(
    name="check",
    specs=daily_specs(
        CHECKED,
        [["billing", "drafts"], ["billing", "draft_lines"], ["usage", "fates"]],
        owner=OWNER,
        kinds={"duckdb", "ducklake"},
        group="billing",
    ),
    backfill_policy=ONE_RUN,
)
def check(context: dg.AssetExecutionContext, billing: BillingRun) -> Iterator[dg.MaterializeResult]:
    """Run every check and store the results as facts, then the run's manifest.

    A failed blocking check does not fail the step: issuing holds back what lies in its scope.
    """
    run = billing.at(through(context))
    with run.warehouse.connect(run.pin, run.known_at) as db:
        results = steps.check(run, db)
    failed = results.filter(~results["passed"])
    shown = failed.select("check_name", "scope_kind", "scope_id", "is_blocking", "sentence")
    yield dg.MaterializeResult(
        asset_key=["facts", "check_results"],
        metadata={
            **standing(run, billing),
            "results": results.height,
            "failed": failed.height,
            "failed_blocking": failed.filter(failed["is_blocking"]).height,
            "failures": table_of(shown.columns, shown.rows()[:50]),
        },
    )
    yield dg.MaterializeResult(asset_key=["facts", "manifests"], metadata=standing(run, billing))
