"""Invoices and credit: promotional on lines, paid on totals, never more than there is."""

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl

from meterhouse.entitlements.grants import Grant, frame
from meterhouse.invoicing.crediting import CREDITED, credited, paid

D = Decimal
JANUARY, FEBRUARY, MARCH = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3))


def lines(*told):
    rows = [
        (document, number, "acme", "EUR", item, at, D(amount))
        for number, (document, item, at, amount) in enumerate(told)
    ]
    return pl.DataFrame(rows, schema=dict(CREDITED), orient="row")


def grants(*told):
    return frame([Grant("acme", "EUR", name, D(amount), JANUARY, **m) for name, amount, m in told])


INVOICE = lines(
    ("i1", "seats", JANUARY, "100.00"),
    ("i1", "api", JANUARY, "50.00"),
    ("i1", "api", JANUARY, "-5.00"),
    ("i2", "api", FEBRUARY, "20.00"),
)


def test_credit_is_used_by_line_in_their_order_and_a_line_below_zero_uses_none():
    done = credited(INVOICE, grants(("g", "120", {})), MARCH)
    assert done.lines["credit"].to_list() == [D(100), D(20), D(0), D(0)]
    assert done.balances["balance"].to_list() == [D(0)]


def test_what_is_left_is_used_by_the_next_invoice_and_burned_rows_say_by_which_line():
    done = credited(INVOICE, grants(("g", "160", {"items": ("api",)})), MARCH)
    told = done.burned.select("grant_id", "document_id", "line_no", "quantity").rows()
    assert told == [("g", "i1", 1, D(50)), ("g", "i2", 3, D(20))]
    assert done.balances["balance"].to_list() == [D(90)]


def test_credit_that_has_expired_pays_no_later_invoice():
    done = credited(INVOICE, grants(("g", "160", {"expires_at": FEBRUARY})), MARCH)
    assert done.lines["credit"].to_list() == [D(100), D(50), D(0), D(0)]


def test_paid_credit_pays_totals_and_promotional_credit_does_not():
    totals = lines(("i1", "", JANUARY, "0.11"), ("i2", "", FEBRUARY, "2.00"))
    held = grants(("promo", "1.00", {}), ("paid", "1.00", {"kind": "paid"}))
    assert paid(totals, held, MARCH).lines["credit"].to_list() == [D("0.11"), D("0.89")]
    assert credited(totals, held, MARCH).lines["credit"].to_list() == [D("0.11"), D("0.89")]
    assert paid(totals, held, MARCH).balances["grant_id"].to_list() == ["paid"]


def test_invoices_without_grants_are_as_they_were():
    assert credited(INVOICE, grants(), MARCH).lines["credit"].to_list() == [D(0)] * 4
