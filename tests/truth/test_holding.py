"""What cannot be billed is held back alone, with a sentence; all others are billed."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.canonical import canonical_json
from meterhouse.errors import Rejected
from meterhouse.run.approving import approve
from meterhouse.run.commands import record
from meterhouse.run.issuing import issue
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
SEPTEMBER = "2025-09-12T12:00:00Z"


def waive(home, subject, expires):
    """A waiver of a check for one scope."""
    payload = canonical_json({"expires": expires, "reason": "agreed"})
    with home.lake.session() as db:
        home.lake.commit(db, lambda c: record(c, "waive", [(subject, None)], payload, "Waived."))


@pytest.mark.soak
def test_usage_without_a_contract_is_in_a_named_bucket_and_blocks_where_the_account_says_so(home):
    outside = [request("s", "strict", SEPTEMBER, 7), request("b", "berlin", SEPTEMBER, 9)]
    home.load([*outside, request("t", "gurung", SEPTEMBER, 3)])
    done = home.bill(MONTHS[1])
    assert len(done.failed_checks) == 1
    assert "usage_has_a_contract failed for customer strict" in done.failed_checks[0]
    held = [why for _, why in done.issued.held]
    assert len(held) == 2  # Strict's fee of October, and its October with the fee of November.
    assert all("failed for customer strict" in why for why in held)
    billed = {key[0] for key in home.sums()}
    assert {"berlin-main", "gurung-main"} <= billed
    assert "strict-main" not in billed

    with home.lake.reading() as db:
        db.execute(f"attach '{home.lake.settings.published}' as published (read_only)")
        fates = db.execute(
            "select customer_id, fate, sum(event_count) from published.usage.fates "
            "group by all order by all"
        ).fetchall()
        valued = db.execute(
            "select customer_id, fate, event_count, quantity, currency, estimated_value "
            "from published.reporting.usage_without_contract where meter_id = 'tokens' order by all"
        ).fetchall()
    assert fates == [
        ("berlin", "no_contract", 1),
        ("gurung", "not_in_contract", 1),
        ("strict", "no_contract", 1),
    ]
    assert valued == [
        ("berlin", "no_contract", 1, Decimal(9), "USD", Decimal("0.000036")),
        ("gurung", "not_in_contract", 1, Decimal(3), "USD", Decimal("0.000012")),
        ("strict", "no_contract", 1, Decimal(7), "USD", Decimal("0.000028")),
    ]

    home.record(home.changed("customer", "strict", usage_without_contract="allow"))
    again = home.issue(MONTHS[1])
    assert again.failed == set()
    assert again.billed == {"strict-main"}


@pytest.mark.soak
def test_a_waiver_lets_the_check_pass_until_it_expires(home):
    home.load([request("s", "strict", SEPTEMBER, 7)])
    waive(home, "usage_has_a_contract|customer|strict", "2025-11-02")
    assert home.issue(MONTHS[1]).held == {}
    assert set(home.issue(MONTHS[2]).held) == {"strict-main"}


@pytest.mark.soak
def test_a_contract_that_cannot_be_rated_leaves_the_run_and_keeps_what_it_was_billed(october):
    before = october.sums()
    seat, *others = october.book["contract", "sato-main", None]["items"]
    huge = {"model": "flat", "amount": "9" * 15}
    fee = {**others[0], "price": huge, "quantity": "9" * 15}
    slot = october.changed("contract", "sato-main", items=[seat, fee])
    october.record(slot)
    done = october.issue(MONTHS[2])
    assert done.failed == {("contracts_are_rated", "contract", "sato-main")}
    assert "sato-main" not in done.billed | set(done.held)
    assert {"alpha-main", "gurung-main", "strict-main", "twin-tokens"} <= done.billed
    after = october.sums()
    assert {key: after[key] for key in before} == before
    assert {key[0] for key in after.keys() - before.keys()} >= {"alpha-main", "gurung-main"}


def test_a_customer_without_a_tax_decision_holds_back_its_documents_alone(home):
    home.record(home.changed("customer", "alpha", tax=None))
    done = home.issue(MONTHS[0])
    assert set(done.held) == {"alpha-main"}
    assert "has no tax decision" in done.held["alpha-main"]
    assert "gurung-main" in done.billed
    home.record(home.changed("customer", "alpha", tax={"treatment": "exempt", "reason": "Yes"}))
    assert home.issue(MONTHS[0]).billed == {"alpha-main"}


@pytest.mark.soak
def test_a_quantity_below_zero_holds_back_its_window(home):
    home.load([request("n", "twin", SEPTEMBER, -5), request("a", "alpha", SEPTEMBER, 5)])
    done = home.issue(MONTHS[0])
    ((name, kind, window),) = done.failed
    assert (name, kind) == ("quantities_are_not_negative", "window")
    assert home.rows("select * from facts.billed_lines where window_id = ?", [window]) == []
    assert set(done.held) == {"twin-tokens"}
    home.load([request("p", "twin", SEPTEMBER, 10_005)])
    assert home.issue(MONTHS[0]).billed == {"twin-tokens"}
    assert home.sums()["twin-tokens", "tokens", date(2025, 9, 1), date(2025, 10, 1)] == 1


@pytest.mark.soak
def test_a_manual_entity_issues_what_was_approved_as_it_was_approved(home):
    home.record(home.changed("entity", "us", approval="manual"))
    home.load([request("a", "twin", SEPTEMBER, 100_000)])
    done = home.issue(MONTHS[0])
    ids = {draft["contract_id"]: draft["draft_id"] for draft in done.drafts}
    assert set(done.held.values()) == {"It waits for approval."}
    assert {"alpha-main", "twin-tokens"} <= set(done.held)
    assert "gurung-main" in done.billed
    assert approve(home.lake, [ids["twin-tokens"], ids["alpha-main"][:12]])
    home.load([request("b", "twin", SEPTEMBER, 100_000)])

    again = home.issue(MONTHS[0])
    assert "alpha-main" in again.billed
    assert "has changed since it was approved" in again.held["twin-tokens"]
    assert approve(home.lake, [ids["twin-tokens"]]) == [ids["twin-tokens"]]
    assert len(issue(home.lake).numbers) == 1
    assert home.sums()["twin-tokens", "tokens", date(2025, 9, 1), date(2025, 10, 1)] == 20


@pytest.mark.soak
def test_a_draft_that_misses_a_decision_cannot_be_approved(home):
    home.record(home.changed("customer", "alpha", tax=None))
    done = home.issue(MONTHS[0])
    drafts = [one["draft_id"] for one in done.drafts if one["contract_id"] == "alpha-main"]
    with pytest.raises(Rejected, match="Nothing was approved"):
        approve(home.lake, drafts)
    assert home.rows("select * from facts.commands where kind = 'approve'") == []
