from datetime import date
from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json, short_hash
from meterhouse.ledger.posting import entries, unbalanced

ADVANCE = {"timing": "advance"}


def test_an_invoice_owes_revenue_deferred_revenue_and_tax(documents, lines, accrued, booked):
    journal = entries(
        documents({"tax": Decimal("2.85"), "total": Decimal("17.85")}),
        lines({"amount": Decimal(5)}, {"amount": Decimal(10), **ADVANCE}),
        accrued(),
    )
    assert booked(journal) == {
        "accounts_receivable": Decimal("17.85"),
        "revenue": Decimal(-5),
        "deferred_revenue": Decimal(-10),
        "tax_payable": Decimal("-2.85"),
    }
    assert journal[1].select("line_no", "account", "line_key").rows() == [
        (1, "accounts_receivable", None),
        (2, "revenue", "k1"),
        (3, "deferred_revenue", "k2"),
        (4, "tax_payable", None),
    ]


def test_an_entry_is_named_by_its_cause_and_dated_by_the_document(documents, lines, accrued):
    made, _ = entries(documents({"tax": 0, "total": 5}), lines({"amount": Decimal(5)}), accrued())
    row = made.row(0, named=True)
    cause = ["document.issued", "d1"]
    assert (row["entry_id"], row["cause"]) == (short_hash(cause), canonical_json(cause))
    assert row["posting_date"] == row["event_date"] == date(2024, 3, 1)
    assert (row["currency"], row["base_currency"], row["fx_rate"]) == ("EUR", "EUR", 1)


def test_a_posting_date_of_its_own_leaves_the_event_date(documents, lines, accrued):
    later = documents({"tax": 0, "total": 5}).with_columns(posting_date=date(2024, 4, 1))
    made, _ = entries(later, lines({"amount": Decimal(5)}), accrued())
    assert made.select("event_date", "posting_date").row(0) == (
        date(2024, 3, 1),
        date(2024, 4, 1),
    )


def test_a_first_line_clears_what_was_accrued_and_books_the_rest(documents, lines, accrued, booked):
    document = documents({"tax": 0, "total": 5})
    under = entries(document, lines({"amount": Decimal(5)}), accrued(k1=Decimal(3)))
    assert booked(under) == {
        "accounts_receivable": 5,
        "unbilled_receivable": -3,
        "revenue": -2,
    }
    over = entries(document, lines({"amount": Decimal(5)}), accrued(k1=Decimal(7)))
    assert booked(over) == {"accounts_receivable": 5, "unbilled_receivable": -7, "revenue": 2}


def test_a_correction_clears_no_accrual(documents, lines, accrued, booked):
    journal = entries(
        documents({"tax": 0, "total": 5}),
        lines({"amount": Decimal(5), "is_correction": True}),
        accrued(k1=Decimal(3)),
    )
    assert booked(journal) == {"accounts_receivable": 5, "revenue": -5}


def test_a_credit_note_is_the_mirror_of_an_invoice(documents, lines, accrued, booked):
    journal = entries(
        documents({"tax": Decimal("-2.85"), "total": Decimal("-17.85")}),
        lines(
            {"amount": Decimal(-5), "is_correction": True},
            {"amount": Decimal(-10), "is_correction": True, **ADVANCE},
        ),
        accrued(),
    )
    assert booked(journal) == {
        "accounts_receivable": Decimal("-17.85"),
        "revenue": Decimal(5),
        "deferred_revenue": Decimal(10),
        "tax_payable": Decimal("2.85"),
    }


def test_a_document_of_zero_posts_nothing_and_zero_lines_are_left_out(documents, lines, accrued):
    both = documents(
        {"tax": 0, "total": 0}, {"document_id": "d2", "tax": Decimal(0), "total": Decimal(4)}
    )
    made, entry_lines = entries(
        both,
        lines(
            {"amount": Decimal(0)},
            {"document_id": "d2", "amount": Decimal(4)},
            {"document_id": "d2", "amount": Decimal(0), **ADVANCE},
        ),
        accrued(),
    )
    assert made["document_id"].to_list() == ["d2"]
    assert entry_lines["account"].to_list() == ["accounts_receivable", "revenue"]


def test_lines_that_offset_each_other_are_posted_without_a_receivable(
    documents, lines, accrued, booked
):
    journal = entries(
        documents({"tax": 0, "total": 0}),
        lines({"amount": Decimal(3)}, {"amount": Decimal(-3), **ADVANCE}),
        accrued(),
    )
    assert booked(journal) == {"revenue": -3, "deferred_revenue": 3}


def test_what_does_not_balance_or_belong_is_listed(documents, lines, accrued):
    made, entry_lines = entries(
        documents({"tax": 0, "total": 5}), lines({"amount": Decimal(4)}), accrued()
    )
    assert unbalanced(made, entry_lines)["entry_id"].to_list() == made["entry_id"].to_list()
    right = entries(documents({"tax": 0, "total": 5}), lines({"amount": Decimal(5)}), accrued())
    assert unbalanced(right[0].clear(), right[1]).height == 1
    assert unbalanced(right[0], right[1].clear()).height == 1
    off = right[1].with_columns(debit_base=pl.col("debit_base") * 2)
    assert unbalanced(right[0], off).height == 1


line = st.tuples(
    st.decimals(-(10**9), 10**9, places=2),
    st.sampled_from(["advance", "arrears"]),
    st.booleans(),
    st.decimals(-(10**6), 10**6, places=2),
)


@settings(max_examples=30, deadline=None)
@given(drawn=st.lists(line, max_size=6), tax=st.decimals(-(10**6), 10**6, places=2))
def test_every_entry_balances(documents, lines, accrued, booked, drawn, tax):
    total = sum((amount for amount, *_ in drawn), tax)
    journal = entries(
        documents({"tax": tax, "total": total}),
        lines(
            *(
                {"amount": amount, "timing": timing, "is_correction": again}
                for amount, timing, again, _ in drawn
            )
        ),
        accrued(**{f"k{n}": open_amount for n, (*_, open_amount) in enumerate(drawn, 1)}),
    )
    assert booked(journal).get("accounts_receivable", 0) == total
