"""Credit notes by hand: never more than is left, tax with it, applied, and never billed back."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.errors import Rejected, UsageError
from meterhouse.run.crediting import Request, credit
from meterhouse.run.rebuild import rebuild
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
DAY = date(2025, 12, 10)
BALANCE = "select account, sum(debit - credit) from facts.journal_lines group by account"


@pytest.fixture(scope="module")
def taxed(in_october):
    """The number of an invoice with several lines and tax."""
    return in_october.rows(
        "select documents.number from facts.documents join facts.billed_lines "
        "using (document_id) where tax > 0 and kind = 'invoice' and documents.currency = 'USD' "
        "group by documents.number having count(*) > 1 order by 1 limit 1"
    )[0][0]


def sums(home, number):
    """Net, tax and total of an invoice, and of all its notes."""
    (own,) = home.rows("select net, tax, total from facts.documents where number = ?", [number])
    (notes,) = home.rows(
        "select sum(net), sum(tax), sum(total) from facts.documents where document_id in "
        "(select document_id from facts.billed_lines where original_number = ? "
        "and role = 'credit_note')",
        [number],
    )
    return own, notes


def test_notes_by_line_by_amount_and_for_the_rest_add_up_to_the_invoice(october, taxed):
    before = dict(october.rows(BALANCE))
    first = credit(october.lake, Request(taxed, "goodwill", {1: Decimal("1.01")}, on=DAY))
    assert (first.net, first.applied) == (Decimal("-1.01"), -first.total)
    assert first.number.startswith("CN-")
    credit(october.lake, Request(taxed, "spread", amount=Decimal("3.33"), on=DAY))
    credit(october.lake, Request(taxed, "the rest", on=DAY))
    own, notes = sums(october, taxed)
    assert [-amount for amount in notes] == list(own)
    applied = october.rows("select sum(amount) from facts.applications")
    assert applied == [(own[2],)]
    after = dict(october.rows(BALANCE))
    receivable = "accounts_receivable"
    assert before[receivable] - after[receivable] == own[2]
    with pytest.raises(Rejected, match=f"Nothing of {taxed} is left to credit"):
        credit(october.lake, Request(taxed, "again", on=DAY))
    assert october.issue(MONTHS[1]).issued.numbers == ()
    assert [one.number for one in rebuild(october.lake, None) if not one.is_identical] == []


def test_a_run_after_a_note_bills_nothing_back_and_all_checks_hold(october, taxed):
    credit(october.lake, Request(taxed, "goodwill", {1: Decimal(1)}, on=DAY))
    done = october.issue(MONTHS[2])
    assert done.failed == set()
    roles = october.rows(
        "select distinct role from facts.billed_lines where original_number = ?", [taxed]
    )
    assert roles == [("credit_note",)]


def test_the_note_says_of_which_invoice_why_and_who_asked(october, taxed):
    done = credit(october.lake, Request(taxed, "goodwill", {1: Decimal(1)}, on=DAY))
    note = next(one for one in october.documents() if one["issue"]["number"] == done.number)
    assert note["kind"] == "credit_note"
    assert [one["correction"]["original_number"] for one in note["lines"]] == [taxed]
    (command,) = october.rows(
        "select kind, actor is not null, payload->>'$.reason' from facts.commands "
        "where kind = 'credit'"
    )
    assert command == ("credit", True, "goodwill")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"lines": {1: Decimal(10**9)}}, "Line 1 has .* left to credit, and 1000000000 was asked"),
        ({"lines": {77: Decimal(1)}}, "has no line 77 that can be credited"),
        ({"lines": {1: Decimal("0.001")}}, "Line 1: 0.001 has more decimals than the currency"),
        ({"amount": Decimal(10**9)}, "net left to credit, and 1000000000 was asked for"),
        ({"on": date(2020, 1, 1)}, "would be before"),
    ],
)
def test_what_cannot_be_credited_is_told_and_nothing_is_done(in_october, taxed, asked, why):
    before = in_october.count_facts()
    with pytest.raises(Rejected, match=why):
        credit(in_october.lake, Request(taxed, "x", **{"on": DAY, **asked}))
    with pytest.raises(UsageError, match="No document has the number X-9"):
        credit(in_october.lake, Request("X-9", "x", on=DAY))
    dry = credit(in_october.lake, Request(taxed, "x", {1: Decimal(1)}, on=DAY), dry=True)
    assert (dry.number, dry.net) == (None, Decimal(-1))
    assert in_october.count_facts() == before
