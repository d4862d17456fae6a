from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.canonical import short_hash
from meterhouse.invoicing.difference import difference
from meterhouse.invoicing.drafts import drafts, gathered
from meterhouse.money import PLACES, round_half_away

JAN, FEB, MAR, APR = (date(2024, month, 1) for month in (1, 2, 3, 4))


def test_lines_of_one_boundary_are_one_document_and_of_two_are_two(drafted, window):
    made, lines = drafted(
        window(Decimal(5), FEB, MAR),
        window(Decimal(10), MAR, APR, component="fee"),
        window(Decimal(7), MAR, APR),
    )
    assert sorted(made.select("boundary_on", "net", "line_count").rows()) == [
        (MAR, Decimal(15), 2),
        (APR, Decimal(7), 1),
    ]
    assert sorted(lines.select("boundary_on", "line_no", "item_id").rows()) == [
        (MAR, 1, "calls"),
        (MAR, 2, "seat"),
        (APR, 1, "calls"),
    ]


def test_a_draft_id_is_the_hash_of_what_makes_one_document(drafted, window):
    made, lines = drafted(window(Decimal(5), FEB, MAR))
    key = ["acme", "ent", "EUR", "net30", "2024-03-01", "con"]
    assert made["draft_id"].to_list() == lines["draft_id"].to_list() == [short_hash(key)]


def test_a_document_is_dated_by_its_boundary_and_due_by_its_terms(drafted, window):
    made, _ = drafted(window(Decimal(5), FEB, MAR))
    row = made.row(0, named=True)
    assert (row["invoice_date"], row["due_date"]) == (MAR, date(2024, 3, 31))


def test_a_document_is_never_dated_before_the_last_of_its_series(drafted, window):
    last = [("ent", "invoice", date(2024, 3, 9)), ("ent", "credit_note", APR)]
    made, _ = drafted(window(Decimal(5), FEB, MAR), last=last)
    assert made["invoice_date"].to_list() == [date(2024, 3, 9)]
    assert made["boundary_on"].to_list() == [MAR]


def billed_february(window, desired, nothing_billed, bill):
    return bill(difference(desired(window(Decimal(5), FEB, MAR)), nothing_billed, MAR))


def test_a_correction_rides_on_the_next_regular_document(
    drafted, window, desired, nothing_billed, bill
):
    billed = billed_february(window, desired, nothing_billed, bill)
    made, lines = drafted(
        window(Decimal(8), FEB, MAR),
        window(Decimal(1), MAR, APR, component="fee", due_on=MAR),
        window(Decimal(7), MAR, APR),
        billed=billed,
        through=date(2024, 4, 5),
    )
    assert made.sort("boundary_on").select("boundary_on", "net").rows() == [
        (MAR, Decimal(1)),
        (APR, Decimal(10)),
    ]
    april = lines.filter(boundary_on=APR)
    assert april.select("line_no", "window_start_on", "is_correction").rows() == [
        (1, FEB, True),
        (2, MAR, False),
    ]


def test_a_correction_without_a_regular_document_has_its_own_dated_through(
    drafted, window, desired, nothing_billed, bill
):
    billed = billed_february(window, desired, nothing_billed, bill)
    other = window(Decimal(7), MAR, APR, contract_id="other")
    made, _ = drafted(window(Decimal(3), FEB, MAR), other, billed=billed, through=date(2024, 4, 5))
    assert made.sort("contract_id").select("kind", "boundary_on", "net", "tax", "total").rows() == [
        ("credit_note", date(2024, 4, 5), Decimal(-2), Decimal("-0.38"), Decimal("-2.38")),
        ("invoice", APR, Decimal(7), Decimal("1.33"), Decimal("8.33")),
    ]


def test_the_purchase_order_is_that_of_the_latest_window(drafted, window):
    made, _ = drafted(
        window(Decimal(1), FEB, MAR, purchase_order="PO-1"),
        window(Decimal(1), MAR, APR, component="fee", purchase_order="PO-2"),
    )
    assert made["purchase_order"].to_list() == ["PO-2"]


@pytest.mark.parametrize(
    ("customer", "tax", "reason"),
    [
        ({}, Decimal("0.95"), None),
        ({"tax_treatment": "exempt", "tax_rate": None}, Decimal(0), None),
        ({"tax_treatment": "reverse_charge", "tax_rate": "0.19"}, Decimal(0), None),
        ({"tax_treatment": None, "tax_rate": None}, None, "Customer acme has no tax decision"),
        ({"tax_rate": None}, None, "Customer acme is taxed but has no rate"),
        ({"customer_id": "other"}, None, "No customer acme is in the book"),
    ],
)
def test_tax_is_decided_by_the_payer_or_the_draft_is_blocked(
    drafted, window, customer, tax, reason
):
    made, _ = drafted(window(Decimal(5), FEB, MAR), **customer)
    row = made.row(0, named=True)
    assert row["tax"] == tax
    assert row["total"] == (None if tax is None else 5 + tax)
    assert row["is_blocked"] == (reason is not None)
    assert row["blocked_reason"] is None if reason is None else reason in row["blocked_reason"]


def test_every_fault_of_a_draft_is_told_at_once(drafted, window):
    row = window(Decimal(5), FEB, MAR, terms_id="net9", entity_id="gone")
    made, _ = drafted(row, tax_treatment=None)
    reason = made["blocked_reason"][0]
    assert "no tax decision" in reason
    assert "No payment terms net9" in reason
    assert "No entity gone" in reason


def test_no_lines_are_no_drafts(drafted):
    made, lines = drafted()
    assert made.is_empty()
    assert lines.is_empty()


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.decimals(-(10**9), 10**9, places=6), min_size=1, max_size=6),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    rate=st.decimals("0.01", "0.99", places=3),
)
def test_lines_are_the_net_and_net_and_tax_are_the_total(drafted, window, values, currency, rate):
    rows = [
        window(value, FEB, MAR, item_id=f"i{n}", currency=currency)
        for n, value in enumerate(values)
    ]
    made, lines = drafted(*rows, tax_rate=str(rate))
    (row,) = made.rows(named=True)
    assert row["net"] == sum(lines["amount"], Decimal(0))
    assert row["tax"] == round_half_away(row["net"] * rate, PLACES[currency])
    assert row["total"] == row["net"] + row["tax"]
    assert row["kind"] == ("invoice" if row["net"] >= 0 else "credit_note")


def test_contracts_of_a_payer_who_consolidates_share_a_document(
    window, desired, nothing_billed, customers, entities, terms, series
):
    lines = difference(
        desired(
            window(Decimal(5), FEB, MAR),
            window(Decimal(7), FEB, MAR, contract_id="other", window_id="o"),
            window(Decimal(9), FEB, MAR, contract_id="else", window_id="e", payer_id="bolt"),
        ),
        nothing_billed,
        MAR,
    )
    made, numbered = drafts(gathered(lines, ["acme"]), customers(), entities, terms, series())
    assert sorted(made.select("customer_id", "contract_id", "net").rows()) == [
        ("acme", None, Decimal(12)),
        ("bolt", "else", Decimal(9)),
    ]
    shared = numbered.filter(payer_id="acme")
    assert shared.select("line_no", "contract_id").rows() == [(1, "con"), (2, "other")]
    assert shared["draft_id"].n_unique() == 1
