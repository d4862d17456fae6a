"""Coupons of invoices: their order, what they may take, and when they are used up."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.invoicing import discounts
from meterhouse.invoicing.discounts import DISCOUNTS, LINES, Discount, discount_lines, discounted

D = Decimal
KEYS = (("a", "P"), ("b", "P"), ("c", "Q"))


def lines(*amounts, document="d"):
    rows = [
        (document, number, *KEYS[number % 3], D(amount), 2) for number, amount in enumerate(amounts)
    ]
    return pl.DataFrame(rows, schema=dict(LINES), orient="row")


def coupon(number, *, percentage=None, amount=None, items=(), plans=(), **more):
    said = {
        "document_id": "d",
        "discount_id": f"c{number}",
        "percentage": None if percentage is None else D(percentage),
        "amount": None if amount is None else D(amount),
        "items": list(items),
        "plans": list(plans),
        "age": number,
        "frequency": "forever",
        "cycles": None,
        "used_count": 0,
        "used_amount": D(0),
    }
    return said | more


def coupons(*said):
    return pl.DataFrame(list(said), schema=dict(DISCOUNTS))


def taken(frame, *said):
    return discounted(frame, coupons(*said)).lines["discount"].to_list()


COUPONS = st.one_of(
    st.builds(lambda units: {"percentage": D(units).scaleb(-4)}, st.integers(0, 10**4)),
    st.builds(lambda units: {"amount": D(units).scaleb(-2)}, st.integers(0, 10**5)),
)
SCOPES = st.sampled_from([{}, {"items": ("a",)}, {"items": ("b", "c")}, {"plans": ("P",)}])
AMOUNTS = st.lists(st.integers(0, 10**6).map(lambda u: D(u).scaleb(-2)), min_size=1, max_size=3)


@settings(max_examples=25)
@given(AMOUNTS, st.lists(st.builds(lambda a, b: {**a, **b}, COUPONS, SCOPES), max_size=4))
def test_the_frame_agrees_with_its_twin_and_takes_no_more_than_there_is(amounts, said):
    told = [coupon(number, **one) for number, one in enumerate(said)]
    found = discounted(lines(*amounts), coupons(*told))
    plain = [Discount(str(number), **one) for number, one in enumerate(said)]
    assert found.lines["discount"].to_list() == discount_lines(
        amounts, KEYS[: len(amounts)], plain, 2
    )
    assert all(0 <= net <= gross for net, gross in found.lines.select("net", "amount").iter_rows())
    assert found.shares["amount"].sum() == found.lines["discount"].sum()


@settings(max_examples=25)
@given(st.permutations([0, 1, 2, 3]))
def test_the_order_of_the_rows_changes_nothing(order):
    said = [
        coupon(0, amount="10.00"),
        coupon(1, percentage="0.1"),
        coupon(2, amount="3.00", plans=["P"]),
        coupon(3, percentage="0.5", items=["a"]),
    ]
    shuffled = [said[number] for number in order]
    assert taken(lines("50.00", "30.01", "20.00"), *shuffled) == taken(
        lines("50.00", "30.01", "20.00"), *said
    )


@pytest.mark.parametrize(
    ("said", "total"),
    [
        ([{"percentage": "0.25"}, {"percentage": "0.1"}], "32.50"),
        ([{"amount": "50.00"}, {"percentage": "0.1"}], "60.00"),
        ([{"amount": "70.00"}, {"amount": "70.00"}], "100.00"),
        ([{"amount": "10.00", "items": ["nothing"]}], "0"),
        # For the item: 40 of a; then 10 % of what is left of everything.
        ([{"percentage": "0.1"}, {"amount": "90.00", "items": ["a"]}], "46.00"),
    ],
)
def test_scope_then_percentages_then_amounts_up_to_the_subtotal(said, total):
    frame = lines("40.00", "35.00", "25.00")
    assert sum(taken(frame, *(coupon(n, **one) for n, one in enumerate(said)))) == D(total)


def test_an_amount_for_several_contracts_of_one_invoice_is_spread_over_them():
    frame = lines("100.00", "0", "50.00")
    first = taken(frame, coupon(0, amount="100.00"))
    assert first == [D("66.67"), D(0), D("33.33")]
    both = taken(frame, coupon(0, amount="100.00"), coupon(1, amount="100.00"))
    assert both == [D(100), D(0), D(50)]


@pytest.mark.parametrize(
    ("terms", "by_invoice"),
    [
        ({"frequency": "once"}, ["30", "0", "0"]),
        ({"frequency": "repeating", "cycles": 2}, ["30", "30", "0"]),
        ({"frequency": "forever"}, ["30", "30", "30"]),
        ({"frequency": "until_used", "amount": D(70)}, ["40", "30", "0"]),
    ],
)
def test_a_coupon_is_used_as_often_as_it_says(terms, by_invoice):
    held, found = coupons(coupon(0, amount="30.00") | terms), []
    for _ in by_invoice:
        made = discounted(lines("40.00"), held)
        found.append(made.lines["discount"].sum())
        held = discounts.used(held, made.shares)
    assert found == [D(amount) for amount in by_invoice]


def test_an_invoice_on_which_a_coupon_takes_nothing_does_not_use_it_up():
    held = coupons(coupon(0, amount="30.00", items=["a"], frequency="once"))
    made = discounted(lines("0", "20.00"), held)
    assert discounts.used(held, made.shares)["used_count"].to_list() == [0]


def test_each_invoice_has_its_own_coupons():
    both = pl.concat([lines("10.00"), lines("10.00", document="e")])
    found = discounted(both, coupons(coupon(0, amount="4.00"))).lines
    assert dict(found.select("document_id", "discount").iter_rows()) == {"d": D(4), "e": D(0)}
