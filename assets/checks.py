"""The run's checks as asset checks: reported from the stored results, each on its own table.

Dagster's checks do not hold back issuing: the gate is in `issue`, wherever it is called from, and
it holds back only what lies in the scope of a failed blocking check.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.metadata import table_of
from assets.resources import BillingRun
from meterhouse.run.checks import EVERY_CHECK
from meterhouse.run.gate import LATEST

RESULTS = ["facts", "check_results"]
# Which table a check speaks of; a check that is not named here is shown on the results themselves.
TABLES = {
    "batches_add_up": ["facts", "batches"],
    "accepted_events_are_stored": ["facts", "usage_events"],
    "quarantine_adds_up": ["facts", "rejected_events"],
    "every_event_has_a_fate": ["usage", "fates"],
    "usage_is_conserved": ["usage", "daily"],
    "determinants_hold_all_days": ["usage", "determinants"],
    "conflicts_are_resolved": ["facts", "conflicts"],
    "sources_are_complete": ["facts", "source_statements"],
    "quantities_are_not_negative": ["usage", "determinants"],
    "usage_has_a_contract": ["usage", "fates"],
    "contracts_are_rated": ["billing", "desired_lines"],
    "second_rater_agrees": ["billing", "desired_lines"],
    "drafts_are_the_difference": ["billing", "draft_lines"],
    "by_hand_is_billed_as_asked": ["billing", "draft_lines"],
    "drafts_add_up": ["billing", "drafts"],
    "documents_add_up": ["facts", "documents"],
    "taxes_add_up": ["facts", "document_taxes"],
    "entries_balance": ["facts", "journal_entries"],
    "receivables_equal_documents": ["facts", "journal_lines"],
    "balances_equal_the_ledger": ["facts", "journal_lines"],
    "numbers_are_gapless": ["facts", "documents"],
    "quarantine_is_empty": ["facts", "rejected_events"],
    "sources_are_on_time": ["facts", "batches"],
    "usage_does_not_drop_to_zero": ["usage", "daily"],
    "usage_does_not_spike": ["usage", "daily"],
}
STORED = f"""
select check_name, is_blocking, bool_and(passed) as passed,
    count(*) filter (not passed) as failures,
    list(sentence order by scope_id) as sentences, list(numbers order by scope_id) as numbers
from ({LATEST.replace("facts.", "lake.facts.")})
group by all
"""


def _specs() -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            check.name,
            asset=TABLES.get(check.name, RESULTS),
            description=f"It holds that {check.claim}. {check.remedy}",
            additional_deps=[] if TABLES.get(check.name, RESULTS) == RESULTS else [RESULTS],
            metadata={"scope": check.scope_kind, "holds_issuing": check.is_blocking},
        )
        for check in EVERY_CHECK
    ]


@dg.multi_asset_check(name="stored_checks", specs=_specs(), can_subset=True)
def stored_checks(
    context: dg.AssetCheckExecutionContext, billing: BillingRun
) -> Iterator[dg.AssetCheckResult]:
    """Report what the run's checks found before it issued."""
    run = billing.current()
    with run.lake.session() as db:
        rows = db.execute(STORED, [run.run_id]).pl().to_dicts()
    found = {row["check_name"]: row for row in rows}
    for spec in context.selected_asset_check_keys:
        yield _result(spec, found.get(spec.name), run.run_id)


def _result(key: dg.AssetCheckKey, row: dict[str, Any] | None, run_id: str) -> dg.AssetCheckResult:
    if row is None:
        return dg.AssetCheckResult(
            passed=False,
            asset_key=key.asset_key,
            check_name=key.name,
            description=f"Run {run_id} stored no result; materialize facts/check_results.",
        )
    severity = dg.AssetCheckSeverity.ERROR if row["is_blocking"] else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=row["passed"],
        asset_key=key.asset_key,
        check_name=key.name,
        severity=severity,
        description=row["sentences"][0],
        metadata={
            "run_id": run_id,
            "failures": row["failures"],
            "results": table_of(
                ["sentence", "numbers"],
                list(zip(row["sentences"], row["numbers"], strict=True))[:50],
            ),
        },
    )
