"""Each singular test finds the accident it was written for, and nothing else does."""

import pytest

from meterhouse.run.dbt import DbtFailed
from tests.dbt.facts import BATCH, document, entry, line, posting

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dbt")]


def _issued(serial, invoice_date, **other):
    """One more sound document of 1.00 net and no tax: its line and its entry."""
    name = f"d{serial}"
    return {
        "documents": [document(serial, invoice_date, "2024-05-01", "1.00", "0", "1.00", **other)],
        "billed_lines": [line(name, 1, "1.00")],
        "journal_entries": [entry(f"e{serial}", invoice_date, document_id=name)],
        "journal_lines": [
            posting(f"e{serial}", 1, "accounts_receivable", "1.00", "0"),
            posting(f"e{serial}", 2, "revenue", "0", "1.00"),
        ],
    }


def _without_entry(issued):
    return {name: issued[name] for name in ("documents", "billed_lines")}


ACCIDENTS = {
    "a line that the document does not count": (
        "assert_lines_equal_invoice",
        {"billed_lines": [line("d1", 3, "0.01")]},
    ),
    "a line of no document": (
        "assert_lines_equal_invoice",
        {"billed_lines": [line("lost", 1, "0.01")]},
    ),
    "a total without its tax": (
        "assert_lines_equal_invoice",
        _issued(3, "2024-04-01")
        | {"documents": [document(3, "2024-04-01", "2024-05-01", "1.00", "0.10", "1.00")]},
    ),
    "an entry with one side": (
        "assert_debits_equal_credits",
        {
            "journal_entries": [entry("e3", "2024-04-01")],
            "journal_lines": [posting("e3", 1, "revenue", "0", "1.00")],
        },
    ),
    "an entry that balances in one currency only": (
        "assert_debits_equal_credits",
        {
            "journal_entries": [entry("e3", "2024-04-01")],
            "journal_lines": [
                posting("e3", 1, "deferred_revenue", "1.00", "0", debit_base="0.99"),
                posting("e3", 2, "revenue", "0", "1.00"),
            ],
        },
    ),
    "an entry without lines": (
        "assert_debits_equal_credits",
        {"journal_entries": [entry("e3", "2024-04-01")]},
    ),
    "a document that was never posted": (
        "assert_receivables_equal_open_invoices",
        _without_entry(_issued(3, "2024-04-01")),
    ),
    "a record that went missing": (
        "assert_every_batch_adds_up",
        {"batches": [BATCH | {"received": 6}]},
    ),
    "a balance that nobody owes": (
        "assert_balances_equal_customer_credits",
        {
            "balance_moves": [
                {
                    "move_id": "m1",
                    "kind": "lot",
                    "lot_id": "l1",
                    "entity_id": "us",
                    "customer_id": "acme",
                    "currency": "USD",
                    "amount": "1.00",
                    "moved_on": "2024-04-01",
                    "priority": 50,
                    "source": "deposit",
                    "reason": "planted",
                }
            ]
        },
    ),
    "a decrease that was written off": (
        "assert_write_offs_favour_the_customer",
        {
            "written_off": [
                {
                    "draft_id": "w1",
                    "line_no": 1,
                    "entity_id": "ent",
                    "payer_id": "acme",
                    "contract_id": "con",
                    "item_id": "calls",
                    "component": "usage",
                    "currency": "EUR",
                    "window_start_on": "2024-02-01",
                    "window_end_on": "2024-03-01",
                    "amount": "-0.10",
                    "original_number": "ent-2024-000001",
                    "written_on": "2024-04-01",
                    "run_id": "r1",
                }
            ]
        },
    ),
    "a number left out": ("assert_document_numbers_are_gapless", _issued(4, "2024-04-01")),
    "a date before that of a lower number": (
        "assert_numbers_rise_with_date",
        _issued(3, "2024-03-31"),
    ),
    "an amount with more places than reports show": (
        "assert_reporting_changes_no_amount",
        {
            "billed_lines": [line("d1", 3, "0.00001"), line("d1", 4, "-0.00001")],
        },
    ),
}


@pytest.mark.parametrize(("claim", "facts"), ACCIDENTS.values(), ids=ACCIDENTS.keys())
def test_an_accident_fails_its_claim_and_no_other_test(house, claim, facts):
    house.append(**facts)
    with pytest.raises(DbtFailed) as failed:
        house.build()
    assert [failure.split(":")[0] for failure in failed.value.failures] == [
        f"test.meterhouse.{claim}"
    ]


def test_every_claim_has_an_accident(manifest):
    singular = {
        node.name
        for node in manifest.nodes.values()
        if node.resource_type == "test" and "singular" in node.path
    }
    claims = {
        node.name
        for node in manifest.nodes.values()
        if node.resource_type == "test" and node.name.startswith("assert_")
    }
    assert singular <= claims
    assert claims == {claim for claim, _ in ACCIDENTS.values()}
