"""What analysts read, built by dbt from facts that are known to the cent."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.run.dbt import unit_tests

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dbt")]


def test_the_trial_balance_adds_up_what_was_posted(sound_house):
    rows = sound_house.rows("select account, debit, credit, balance from accounting.trial_balance")
    assert {row["account"]: (row["debit"], row["credit"], row["balance"]) for row in rows} == {
        "accounts_receivable": (Decimal("33.55"), 0, Decimal("33.55")),
        "revenue": (0, Decimal("30.50"), Decimal("-30.50")),
        "tax_payable": (0, Decimal("3.05"), Decimal("-3.05")),
    }


def test_months_of_the_trial_balance_carry_on_to_its_end(sound_house):
    rows = sound_house.rows(
        "select posting_month, movement, balance from accounting.trial_balance_by_month "
        "where account = 'revenue' order by posting_month"
    )
    assert [tuple(row.values()) for row in rows] == [
        (date(2024, 3, 1), Decimal("-10.00"), Decimal("-10.00")),
        (date(2024, 4, 1), Decimal("-20.50"), Decimal("-30.50")),
    ]


def test_the_journal_gives_every_line_the_head_of_its_entry(sound_house):
    rows = sound_house.rows("select entry_id, document_id, posting_date from accounting.journal")
    assert len(rows) == 6
    assert {tuple(row.values()) for row in rows} == {
        ("e1", "d1", date(2024, 3, 1)),
        ("e2", "d2", date(2024, 4, 1)),
    }


def test_open_invoices_age_to_through_and_not_to_today(sound_house):
    rows = sound_house.rows(
        "select number, open_amount, as_of, overdue_days, aging_bucket "
        "from receivables.open_invoices order by number"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("ent-2024-000001", Decimal("11.00"), date(2024, 4, 1), 17, "1-30"),
        ("ent-2024-000002", Decimal("22.55"), date(2024, 4, 1), 0, "not due"),
    ]


def test_an_invoice_shows_the_name_it_was_issued_to_after_the_customer_is_renamed(sound_house):
    rows = sound_house.rows(
        "select serial_no, customer_name, net, tax, total, run_id from reporting.invoices "
        "order by serial_no"
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "Acme", Decimal("10.00"), Decimal("1.00"), Decimal("11.00"), "r"),
        (2, "Acme", Decimal("20.50"), Decimal("2.05"), Decimal("22.55"), "r"),
    ]


def test_lines_name_their_invoice_service_and_price(sound_house):
    rows = sound_house.rows(
        "select number, line_no, quantity, unit_price, amount, window_start_on, window_end_on "
        "from reporting.invoice_lines order by number, line_no"
    )
    window = (date(2024, 2, 1), date(2024, 3, 1))
    assert [tuple(row.values()) for row in rows] == [
        ("ent-2024-000001", 1, Decimal(2), "5.00", Decimal("6.00"), *window),
        ("ent-2024-000001", 2, Decimal(2), "5.00", Decimal("4.00"), *window),
        ("ent-2024-000002", 1, Decimal(2), "5.00", Decimal("20.50"), *window),
    ]


def test_revenue_lies_in_the_month_it_was_posted_in(sound_house):
    rows = sound_house.rows(
        "select customer_id, posting_month, amount from reporting.revenue_by_month "
        "order by posting_month"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("acme", date(2024, 3, 1), Decimal("10.00")),
        ("acme", date(2024, 4, 1), Decimal("20.50")),
    ]


def test_usage_lies_on_the_days_of_the_contract_and_of_utc_without_one(sound_house):
    rows = sound_house.rows("from reporting.usage_by_day order by customer_id, local_day")
    assert [tuple(row.values()) for row in rows] == [
        ("acme", "calls", "call", "Asia/Tokyo", date(2024, 2, 1), Decimal(1), 1),
        ("acme", "calls", "call", "Asia/Tokyo", date(2024, 2, 2), Decimal(1), 1),
        ("idle", "calls", "call", "UTC", date(2024, 2, 1), Decimal(1), 1),
    ]


def test_a_month_of_usage_is_the_sum_of_its_days(sound_house):
    rows = sound_house.rows(
        "select customer_id, local_month, quantity, event_count, day_count "
        "from reporting.usage_by_customer_month order by customer_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("acme", date(2024, 2, 1), Decimal(2), 2, 2),
        ("idle", date(2024, 2, 1), Decimal(1), 1, 1),
    ]


def test_a_batch_accounts_for_every_record_and_the_quarantine_lists_the_one_kept_out(sound_house):
    batches = sound_house.rows("select name, received, difference from reporting.batches")
    assert batches == [{"name": "feb.csv", "received": 5, "difference": 0}]
    kept_out = sound_house.rows("select event_id, reason from reporting.quarantine_open")
    assert kept_out == [{"event_id": "4", "reason": "unknown_subject"}]
    assert sound_house.rows("from reporting.conflicts_open") == []


def test_marts_built_twice_are_the_same(house):
    select = "from accounting.trial_balance order by account"
    before = house.rows(select)
    house.build()
    assert house.rows(select) == before


def test_all_unit_tests_of_the_models_pass(sound_house):
    results = unit_tests(sound_house.run())
    assert {result.status for result in results} == {"pass"}
    assert len(results) >= 21
