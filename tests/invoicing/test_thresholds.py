"""Thresholds: each once, steps for ever, and only what is new is invoiced."""

from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.invoicing.thresholds import LOOKS, THRESHOLDS, crossed, level, outstanding

D = Decimal


def looks(*amounts, account="a"):
    rows = [(account, number, D(amount)) for number, amount in enumerate(amounts)]
    return pl.DataFrame(rows, schema=dict(LOOKS), orient="row")


def steps(*singles, step=None, account="a"):
    rows = [(account, D(amount), False) for amount in singles]
    rows += [] if step is None else [(account, D(step), True)]
    return pl.DataFrame(rows, schema=dict(THRESHOLDS), orient="row")


def is_crossed(found):
    return found["is_crossed"].to_list()


def test_a_threshold_is_reached_at_its_amount_and_only_once():
    found = crossed(looks("199.99", "200", "200", "900"), steps("200"))
    assert is_crossed(found) == [False, True, False, False]


def test_several_reached_at_once_are_one_crossing():
    assert is_crossed(crossed(looks("600", "650"), steps("200", "500"))) == [True, False]


def test_a_step_counts_from_the_highest_threshold():
    found = crossed(looks("8.8", "16.9", "17", "26", "47"), steps("2", "5", "7", step="10"))
    assert is_crossed(found) == [True, False, True, False, True]


def test_falling_back_and_reaching_it_again_is_no_crossing():
    assert is_crossed(crossed(looks("210", "150", "220"), steps("200"))) == [True, False, False]


def test_accounts_have_thresholds_of_their_own():
    both = pl.concat([looks("10"), looks("10", account="b")])
    found = crossed(both, steps("5", account="b"))
    assert is_crossed(found) == [False, True]


AMOUNTS = st.integers(0, 10**5).map(lambda units: D(units).scaleb(-2))


@settings(max_examples=25)
@given(
    st.lists(AMOUNTS, max_size=6),
    st.lists(AMOUNTS, max_size=3, unique=True),
    st.none() | st.integers(1, 10**4).map(lambda units: D(units).scaleb(-2)),
)
def test_levels_agree_with_their_twin(amounts, singles, step):
    found = crossed(looks(*amounts), steps(*singles, step=step))
    assert found["level"].to_list() == [level(amount, singles, step) for amount in amounts]


def test_what_is_left_to_invoice_is_what_is_desired_less_what_was_billed():
    desired = pl.DataFrame({"item": ["a", "b"], "amount": [D("600"), D("5")]})
    billed = pl.DataFrame({"item": ["a", "a", "c"], "amount": [D("200"), D("150"), D("1")]})
    found = outstanding(desired, billed, ["item"])
    assert dict(found.select("item", "amount").iter_rows()) == {"a": D(250), "b": D(5), "c": D(-1)}
