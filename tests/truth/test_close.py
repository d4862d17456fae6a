"""A close earns fees by day, accrues what was delivered, and moves what comes later."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.run.close import close
from tests.truth.events import request, sample
from tests.truth.harness import MONTHS

pytestmark = [pytest.mark.slow]
SEPTEMBER = "2025-09-12T12:00:00Z"
BALANCES = """
select account, sum(debit - credit) from facts.journal_lines as lines
join facts.journal_entries using (entry_id)
where entity_id = ? and posting_date < ? group by account having sum(debit - credit) <> 0
"""


def balances(home, entity, before):
    """Balance of each account at midnight of a day, debits above zero."""
    return dict(home.rows(BALANCES, [entity, before]))


def of_contract(home, contract, before, account):
    """Balance of an account, of one contract."""
    rows = home.rows(
        "select sum(debit - credit) from facts.journal_lines as lines "
        "join facts.journal_entries using (entry_id) "
        "where lines.contract_id = ? and posting_date < ? and account = ?",
        [contract, before, account],
    )
    return rows[0][0] or Decimal(0)


@pytest.mark.soak
def test_a_fee_in_advance_is_earned_by_day_and_in_the_end_whole(home):
    """300.00 a month of 30 days: 12 to 30 September are 19 days, 190.00."""
    home.issue(date(2025, 9, 12))
    deferred = [of_contract(home, "alpha-main", date(2025, 9, 13), "deferred_revenue")]
    for cut_off in (date(2025, 9, 13), date(2025, 9, 20), date(2025, 10, 1)):
        close(home.lake, cut_off, "us")
        deferred.append(of_contract(home, "alpha-main", cut_off, "deferred_revenue"))
    assert deferred == [Decimal(-190), Decimal(-180), Decimal(-110), Decimal(0)]
    # 19.99 of the help desk were delivered in September too, in full: it is not prorated.
    earned = of_contract(home, "alpha-main", date(2025, 10, 1), "revenue")
    assert earned == -Decimal("209.99")


def test_delivered_usage_is_accrued_and_cleared_by_its_invoice(home):
    home.load([request("a", "twin", SEPTEMBER, 100_000)])
    close(home.lake, MONTHS[0])
    before = balances(home, "us", MONTHS[0])
    # Twin 10.00 and Alpha's help desk 19.99; Berlin's tier costs 5.00 with nothing used.
    assert before["unbilled_receivable"] == Decimal("34.99")
    assert before["revenue"] == -Decimal("34.99")
    home.issue(MONTHS[0])
    after = balances(home, "us", date(2025, 10, 2))
    assert of_contract(home, "twin-tokens", date(2025, 10, 2), "unbilled_receivable") == 0
    assert of_contract(home, "twin-tokens", date(2025, 10, 2), "revenue") == -10
    assert of_contract(home, "alpha-main", date(2025, 10, 2), "unbilled_receivable") == 0
    assert after["unbilled_receivable"] == 5  # Berlin's window ends on 15 October.
    assert sum(after.values()) == 0
    home.issue(date(2025, 10, 15))
    assert "unbilled_receivable" not in balances(home, "us", date(2025, 10, 16))


@pytest.mark.soak
def test_an_accrual_is_cleared_when_the_invoice_was_already_issued(home):
    """The invoice of 1 October lies after the cut-off and was there before the close."""
    home.load([request("a", "twin", SEPTEMBER, 100_000)])
    home.issue(MONTHS[0])
    close(home.lake, MONTHS[0])
    account = "unbilled_receivable"
    assert of_contract(home, "twin-tokens", MONTHS[0], account) == 10
    assert of_contract(home, "twin-tokens", MONTHS[0], "revenue") == -10
    assert of_contract(home, "twin-tokens", date(2025, 10, 2), account) == 0
    assert of_contract(home, "twin-tokens", date(2025, 10, 2), "revenue") == -10


def test_a_window_that_the_cut_off_divides_counts_to_the_midnight_of_the_entity(home):
    """Kuwait's midnight is 21:00 UTC, 2 h 45 min after Kathmandu's: its night belongs to before."""
    home.load(
        [
            sample("gurung", "2025-09-20T20:59:59Z", "100"),
            sample("gurung", "2025-09-20T21:00:00Z", "1000"),
            sample("twin", "2025-09-20T20:59:59Z", "7"),
        ]
    )
    close(home.lake, date(2025, 9, 21), "kw")
    account = "unbilled_receivable"
    assert of_contract(home, "gurung-main", date(2025, 9, 21), account) == Decimal("1.250")
    assert of_contract(home, "twin-disk", date(2025, 9, 21), account) == Decimal("0.021")
    assert balances(home, "us", date(2025, 9, 21)) == {}


@pytest.mark.soak
def test_closing_the_same_day_twice_changes_nothing(october):
    close(october.lake, MONTHS[1])
    before = october.count_facts()
    again = close(october.lake, MONTHS[1])
    assert again["entities"] == []
    assert october.count_facts() == before


@pytest.mark.soak
def test_what_is_issued_after_a_close_is_posted_on_the_first_open_day(home):
    close(home.lake, date(2025, 10, 5), "us")
    home.load([request("a", "twin", SEPTEMBER, 100_000)])
    done = home.issue(MONTHS[0])
    assert done.failed == set()
    rows = home.rows(
        "select distinct entity_id, invoice_date, posting_date from facts.documents "
        "where invoice_date = '2025-10-01' order by 1"
    )
    assert rows == [
        ("kw", date(2025, 10, 1), date(2025, 10, 1)),
        ("us", date(2025, 10, 1), date(2025, 10, 5)),
    ]
    entries = home.rows(
        "select entries.event_date, entries.posting_date from facts.journal_entries as entries "
        "join facts.documents using (document_id) where contract_id = 'twin-tokens' "
        "and event = 'document.issued'"
    )
    assert entries == [(date(2025, 10, 1), date(2025, 10, 5))]


def test_the_trial_balance_is_zero_and_receivables_are_the_open_invoices(october):
    close(october.lake, MONTHS[1])
    for entity in ("us", "jp", "kw"):
        found = balances(october, entity, date(2026, 6, 1))
        assert sum(found.values()) == 0
        totals = october.rows(
            "select sum(total), -sum(tax) from facts.documents where entity_id = ?", [entity]
        )[0]
        assert found["accounts_receivable"] == totals[0]
        assert found.get("tax_payable", 0) == totals[1]
