"""What comes after a document was issued is a difference on the next one, and nothing else."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.run.rebuild import rebuild
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
SEPTEMBER = "2025-09-12T12:00:00Z"
OCTOBER = "2025-10-12T12:00:00Z"


def stated(tokens):
    """One event of Twin in September, at 0.0001 USD a token, as a source that restates has it."""
    return request("s-1", "twin", SEPTEMBER, tokens, "restated")


def of_twin(home):
    """Twin's documents in USD."""
    return [d for d in home.documents() if d["lines"][0]["contract"] == "twin-tokens"]


def lines(document):
    """First day, amount and the document corrected, of each line."""
    return [
        (
            line["service"]["start"],
            line["amount"],
            line["correction"] and line["correction"]["original_number"],
        )
        for line in document["lines"]
    ]


def test_late_usage_is_a_line_on_the_next_invoice_that_names_window_and_original(home):
    home.load([request("a", "twin", SEPTEMBER, 100_000)])
    home.issue(MONTHS[0])
    (first,) = of_twin(home)
    number = first["issue"]["number"]
    home.load([request("b", "twin", SEPTEMBER, 50_000), request("c", "twin", OCTOBER, 10_000)])
    home.issue(MONTHS[1])
    _, second = of_twin(home)
    assert lines(first) == [("2025-09-01", "10.00", None)]
    assert lines(second) == [("2025-09-01", "5.00", number), ("2025-10-01", "1.00", None)]
    assert second["kind"] == "invoice"
    assert second["dates"]["invoice_date"] == "2025-11-01"
    assert second["lines"][0]["correction"] == {
        "already_billed": "10.00",
        "desired": "15.00",
        "original_date": "2025-10-01",
        "original_number": number,
    }


def test_usage_taken_back_is_a_credit_note_or_a_negative_line(home):
    home.load([stated(100_000)])
    home.issue(MONTHS[0])
    number = of_twin(home)[0]["issue"]["number"]

    home.load([stated(40_000)])
    home.issue(MONTHS[0])  # Nothing else is due: a document of its own.
    credit = of_twin(home)[1]
    assert credit["kind"] == "credit_note"
    assert lines(credit) == [("2025-09-01", "-6.00", number)]
    assert (credit["net"], credit["tax_total"], credit["total"]) == ("-6.00", "-0.24", "-6.24")
    assert credit["dates"]["invoice_date"] == "2025-10-01"

    home.load([stated(10_000), request("n", "twin", OCTOBER, 200_000)])
    home.issue(MONTHS[1])  # The next invoice carries the negative line.
    invoice = of_twin(home)[2]
    assert invoice["kind"] == "invoice"
    assert lines(invoice) == [("2025-09-01", "-3.00", number), ("2025-10-01", "20.00", None)]

    september = date(2025, 9, 1), date(2025, 10, 1)
    assert home.sums()["twin-tokens", "tokens", *september] == Decimal(1)


@pytest.mark.soak
def test_every_document_of_the_book_can_be_rebuilt_after_corrections_and_later_usage(october):
    for tokens, through in ((100_000, MONTHS[1]), (40_000, MONTHS[1]), (70_000, MONTHS[2])):
        october.load([stated(tokens)])
        assert october.issue(through).issued.numbers
    kinds = {one["kind"] for one in october.documents()}
    october.load([stated(1), request("late", "berlin", OCTOBER, 5, region="eu", cached=False)])
    found = rebuild(october.lake, None, "both")
    assert kinds == {"invoice", "credit_note"}
    assert [one.number for one in found] == sorted(
        one["issue"]["number"] for one in october.documents()
    )
    assert [one for one in found if not one.is_identical] == []


@pytest.mark.soak
def test_a_run_that_knows_less_is_dry_and_gives_the_documents_of_then(home):
    home.load([stated(100_000)])
    known_at = home.lake.head().batch_seq
    home.issue(MONTHS[0])
    home.load([stated(1)])
    then = home.issue(MONTHS[0], known_at=known_at)
    hashes = home.rows("select content_hash from facts.documents order by 1")
    assert then.is_dry
    assert sorted((one["content_hash"],) for one in then.drafts) == hashes
    before = home.count_facts()
    done = home.bill(MONTHS[0], known_at=known_at)
    assert done.is_dry
    assert done.issued is None
    assert home.count_facts()["documents"] == before["documents"]
    assert sum(int(one["documents"]) for one in done.totals) == len(hashes)


def test_a_price_that_changes_later_holds_for_later_windows_alone(october):
    slot = {**october.book["contract", "twin-tokens", None], "valid_from": date(2025, 12, 1)}
    slot["items"] = [{**slot["items"][0], "price": {"model": "per_unit", "unit_amount": "1"}}]
    before = october.sums()
    october.record(slot)
    october.issue(MONTHS[1])
    assert october.sums() == before
