"""Issuing: the one step after which a customer owes something."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.metadata import described, money, standing, table_of
from assets.partitions import ONE_RUN, through
from assets.resources import BillingRun
from assets.specs import daily_specs
from meterhouse.run import steps
from meterhouse.run.issuing import Issued

TABLES = {
    "documents": "One row per issued document.",
    "billed_lines": "One row per line of an issued document.",
    "billed_determinants": "One row per determinant that an issued line was rated from.",
    "journal_entries": "One row per posted entry of the journal.",
    "journal_lines": "One row per line of a posted entry.",
    "outbox": "One row per message that must leave the house.",
}


@dg.multi_asset(
    name="issue",
    specs=daily_specs(
        {("facts", table): description for table, description in TABLES.items()},
        [
            ["billing", "drafts"],
            ["billing", "draft_lines"],
            ["facts", "check_results"],
            ["facts", "manifests"],
        ],
        owner="team:finance",
        kinds={"polars", "ducklake"},
        group="documents",
    ),
    backfill_policy=ONE_RUN,
)
def issue(context: dg.AssetExecutionContext, billing: BillingRun) -> Iterator[dg.MaterializeResult]:
    """Issue approved drafts that no failed blocking check covers, and post them, in one commit."""
    run = billing.at(through(context))
    issued = Issued(None, (), ()) if run.is_dry else steps.issue_drafts(run)
    for draft_id, why in issued.held:
        context.log.warning(f"Draft {draft_id[:8]} is held back: {why}")
    shown = {**standing(run, billing), **_done(issued)}
    with run.lake.session() as db:
        for table in TABLES:
            yield dg.MaterializeResult(
                asset_key=["facts", table],
                metadata={
                    **shown,
                    **described(db, f"lake.facts.{table}"),
                    **_money(db, table, issued),
                },
            )


def _done(issued: Issued) -> dict[str, Any]:
    return {
        "issued": len(issued.numbers),
        "numbers": ", ".join(issued.numbers[:20]) or "none",
        "held": len(issued.held),
        "held_back": table_of(["draft", "why"], issued.held[:50]),
    }


def _money(db: Any, table: str, issued: Issued) -> dict[str, Any]:
    if table != "documents" or issued.batch_seq is None:
        return {}
    return money(
        db,
        "select currency, total as amount from lake.facts.documents "
        f"where batch_seq = {int(issued.batch_seq)}",
    )
