"""Prepaid money pays documents lot by lot: its own contract's part, in time, never its own sale."""

from datetime import date
from decimal import Decimal

import polars as pl

from meterhouse.invoicing.prepaid import LOTS, payments
from meterhouse.money import AMOUNT

D = Decimal
JAN, FEB, MAR = (date(2026, month, 1) for month in (1, 2, 3))


def heads(*rows):
    """Documents: id, boundary, total, what of it is sold credit."""
    types = {"draft_id": pl.String, "boundary_on": pl.Date, "total": AMOUNT, "untaxed": AMOUNT}
    told = [(name, on, D(total), D(sold)) for name, on, total, sold in rows]
    return pl.DataFrame(told, schema=types, orient="row").with_columns(currency=pl.lit("EUR"))


def lines(*rows):
    """Lines: document, contract, role, amount."""
    types = {"draft_id": pl.String, "contract_id": pl.String, "role": pl.String, "amount": AMOUNT}
    return pl.DataFrame([(*row[:3], D(row[3])) for row in rows], schema=types, orient="row")


def lots(*rows):
    """Lots: contract, grant, day, what is left, priority, last day."""
    told = [(*row[:3], D(row[3]), *row[4:]) for row in rows]
    return pl.DataFrame(told, schema=dict(LOTS), orient="row")


def paid(*frames):
    return payments(*frames).select("draft_id", "contract_id", "grant_id", "amount").rows()


def test_a_document_of_two_contracts_is_paid_only_for_the_one_that_bought():
    both = heads(("d", FEB, "120", "0"))
    own = lines(("d", "a", "usage", "25"), ("d", "b", "usage", "75"))
    assert paid(both, own, lots(("a", "g", JAN, "100", 50, None))) == [("d", "a", "g", D(30))]


def test_lots_pay_by_priority_then_by_their_end_and_the_earlier_document_first():
    two = heads(("y", JAN, "50", "0"), ("x", FEB, "50", "0"))
    own = lines(("x", "a", "usage", "50"), ("y", "a", "usage", "50"))
    held = lots(("a", "g", JAN, "60", 50, None), ("a", "h", JAN, "20", 50, FEB))
    assert paid(two, own, held) == [
        ("x", "a", "g", D(30)),
        ("y", "a", "g", D(30)),
        ("y", "a", "h", D(20)),
    ]


def test_no_lot_pays_its_own_sale_nor_before_its_day_nor_after_its_last():
    three = heads(("a", JAN, "10", "0"), ("b", FEB, "110", "100"), ("c", MAR, "10", "0"))
    own = lines(
        ("a", "k", "usage", "10"),
        ("b", "k", "credit_sale", "100"),
        ("b", "k", "usage", "10"),
        ("c", "k", "usage", "10"),
    )
    assert paid(three, own, lots(("k", "g", FEB, "100", 50, FEB))) == [("b", "k", "g", D(10))]


def test_a_document_that_takes_a_sale_back_is_paid_no_more_than_it_owes():
    less = heads(("d", FEB, "20", "-40"))
    own = lines(("d", "k", "credit_sale", "-40"), ("d", "k", "usage", "60"))
    assert paid(less, own, lots(("k", "g", JAN, "100", 50, None))) == [("d", "k", "g", D(20))]
