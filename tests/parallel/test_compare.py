"""Laws of a comparison: causes add up, and the order and split of lines do not matter."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.parallel.columns import CAUSES, ROUNDING, SIDE
from meterhouse.parallel.compare import compared
from meterhouse.parallel.journals import compared_journals, read_journal

D = Decimal
OCTOBER = (date(2025, 10, 1), date(2025, 11, 1))
WINDOWS = (
    OCTOBER,
    (date(2025, 10, 12), date(2025, 11, 1)),
    (date(2025, 10, 1), date(2025, 10, 12)),
)
BASE = {
    "customer_id": "a", "customer": "a", "currency": "EUR", "product": "p", "text": "p",
    "period": 0, "from_on": OCTOBER[0], "until_on": OCTOBER[1], "quantity": D(1),
    "unit_price": None, "amount": D(100), "tax": D(19), "number": "1", "line_no": 1,
    "line_key": None, "is_linear": True,
}  # fmt: skip


def side(*rows):
    return pl.DataFrame([BASE | row for row in rows], schema=SIDE)


def found(old, new):
    rows = compared(side(*old), side(*new)).variances.to_dicts()
    return {(row["product"], row["cause"]): (row["net"], row["tax"]) for row in rows}


money = st.integers(-20_000, 100_000).map(lambda cents: D(cents) / 100)
lines = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["a", "b", None]),
        "currency": st.sampled_from(["EUR", "JPY", "KWD"]),
        "product": st.sampled_from(["p", "q", ROUNDING, None]),
        "period": st.sampled_from([-1, 0, 0, 0, 1]),
        "window": st.sampled_from([*WINDOWS, (None, None)]),
        "quantity": st.one_of(st.none(), st.integers(0, 50).map(D)),
        "unit_price": st.one_of(st.none(), st.just(D("2.5"))),
        "amount": st.one_of(money, st.sampled_from([D(0), D(50), D(100)])),
        "tax": st.one_of(st.none(), money, st.just(D(0))),
        "is_linear": st.booleans(),
    }
).map(
    lambda one: (
        {k: v for k, v in one.items() if k != "window"}
        | {"from_on": one["window"][0], "until_on": one["window"][1], "customer": "x"}
    )
)


def sums(rows):
    """Amounts with tax of the compared month by customer and currency: slow and obvious."""
    found = defaultdict(D)
    for row in rows:
        if row["period"] == 0:
            found[row["customer_id"], row["currency"]] += row["amount"] + (row["tax"] or 0)
    return found


@settings(max_examples=25)
@given(st.lists(lines, max_size=12), st.lists(lines, max_size=12))
def test_causes_always_add_up_to_the_difference(old, new):
    # Ours always have a name.
    new = [row | {"customer_id": row["customer_id"] or "a"} for row in new]
    new = [row | {"product": row["product"] or "p"} for row in new]
    result = compared(side(*old), side(*new))
    explained = defaultdict(D)
    for row in result.variances.to_dicts():
        assert row["cause"] in CAUSES
        assert row["amount"] == row["net"] + row["tax"] != 0 or row["net"] == -row["tax"] != 0
        explained[row["customer_id"], row["currency"]] += row["amount"]
    before, after = sums(old), sums(new)
    for cell in {*before, *after}:
        assert explained[cell] == after[cell] - before[cell]
    assert {cell for cell, amount in explained.items() if amount} <= {*before, *after}


@settings(max_examples=8)
@given(st.lists(lines, max_size=10), st.randoms(use_true_random=False))
def test_a_book_beside_itself_has_no_variance_in_any_order(rows, random):
    named = [row | {"customer_id": "a", "product": row["product"] or "p"} for row in rows]
    turned = list(named)
    random.shuffle(turned)
    assert compared(side(*named), side(*turned)).variances.is_empty()


def test_a_price_beside_another_quantity_of_tiers_is_all_usage():
    old = [{"quantity": D(1000), "amount": D(20), "tax": D(0)}]
    new = [{"quantity": D(1500), "amount": D(25), "tax": D(0), "is_linear": False}]
    assert found(old, new) == {("p", "usage"): (D(5), D(0))}


def test_a_tenth_off_for_a_whole_month_is_a_price_and_no_proration():
    # 27 of 30 days would be nine tenths too, but nothing says that days were counted.
    assert found([{"amount": D(90), "tax": D(0)}], [{"tax": D(0)}]) == {("p", "price"): (D(10), 0)}


def test_other_days_with_an_amount_in_their_proportion_are_proration():
    old = [{"amount": D("64.52"), "tax": D(0), "from_on": date(2025, 10, 12)}]
    assert found(old, [{"tax": D(0)}]) == {("p", "proration"): (D("35.48"), 0)}


def test_usage_that_moved_to_the_next_month_is_timing_in_both():
    old = [{"amount": D(100)}, {"amount": D(80), "period": 1}]
    new = [{"amount": D(90)}, {"amount": D(90), "period": 1}]
    assert found(old, new) == {("p", "timing"): (D(-10), D(0))}


def test_tax_of_a_net_difference_goes_with_it_and_another_rate_is_tax():
    old = [{"amount": D(100), "tax": D(19)}]
    assert found(old, [{"amount": D(110), "tax": D("20.90")}]) == {
        ("p", "price"): (D(10), D("1.90"))
    }
    assert found(old, [{"amount": D(110), "tax": D("22")}]) == {
        ("p", "price"): (D(10), D("1.90")),
        ("p", "tax"): (D(0), D("1.10")),
    }


def test_journals_are_compared_by_account_customer_and_currency():
    rows = pl.DataFrame(
        [
            (2, "2025-10-01", "1200", "a", "EUR", "119.00", ""),
            (3, "2025-10-01", "8400", "a", "EUR", "", "100.00"),
            (4, "2025-10-01", "1776", "a", "EUR", "0", "19.00"),
            (5, "01.10.2025", "", "a", "EUR", "x", ""),
        ],
        schema={"line": pl.Int64, **dict.fromkeys(
            ("date", "account", "customer", "currency", "debit", "credit"), pl.String)},
        orient="row",
    )  # fmt: skip
    read = read_journal(rows)
    assert read["fault"].to_list() == [
        None, None, None,
        "date '01.10.2025' cannot be read; debit 'x' cannot be read; account is missing",
    ]  # fmt: skip
    sound = read.filter(pl.col("fault").is_null()).with_columns(customer_id="customer")
    new = sound.filter(pl.col("account") != "1776").select(
        "account", "customer_id", "currency", "amount"
    )
    result = {row["account"]: row["difference"] for row in compared_journals(sound, new).to_dicts()}
    assert result == {"1200": 0, "8400": 0, "1776": D(19)}
