"""The service fee: one for each period of its own, cut as the profile says, within its limits."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.pricing.charging import charge_lines
from tests.pricing.modified import FEE, TYPES, contract, lines, month, window

D = Decimal
LATE = date(2024, 12, 31)


def fees(windows, fee, **options):
    """The lines of a service fee in the order of time: item, first day, due day, amount."""
    options = {"through": LATE, **options}
    found = lines(windows, {"service_fee": fee}, **options).filter(component="service_fee")
    shown = ("dimensions", "window_start_on", "due_on", "amount")
    return found.sort("due_on", "window_start_on", "dimensions").select(shown).rows()


def seats(*months, **fields):
    return [window(n, "1", price=FEE, item="seat", **fields) for n in months]


def test_a_fixed_fee_is_charged_once_for_a_period_with_the_first_that_is_due_of_it():
    """Seats in advance and usage in arrears meet at every boundary, and at one after the last."""
    rows = [*seats(1, 2), window(1, "3"), window(2, "0")]
    assert fees(rows, {"amount": "25"}) == [
        ("{}", month(1), month(1), 25),
        ("{}", month(2), month(2), 25),
    ]
    assert fees([window(1, "3"), window(2, "0")], {"amount": "25"}) == [
        ("{}", month(1), month(2), 25),
        ("{}", month(2), month(3), 25),
    ]


def test_a_fixed_fee_of_a_month_is_charged_once_beside_items_of_several_cadences():
    weeks = [date(2024, 1, 1), date(2024, 1, 8), date(2024, 1, 15), date(2024, 1, 22)]
    weekly = [
        window(
            n,
            "1",
            item="weekly",
            window_start_on=day,
            window_end_on=end,
            period_start_on=day,
            period_end_on=end,
            due_on=end,
        )
        for n, (day, end) in enumerate(pairwise(weeks), 1)
    ]
    yearly = window(1, "1", price=FEE, window_end_on=month(13), period_end_on=month(13))
    found = fees([*weekly, yearly], {"amount": "25", "period": "month"}, through=month(3))
    assert found == [("{}", month(n), month(n), 25) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("mode", "costs"), [(None, "12.36"), ("prorate", "12.36"), ("full", "25"), ("none", None)]
)
def test_a_period_that_the_contract_cuts_costs_what_the_profile_says(mode, costs):
    """45 of 91 days of the second quarter."""
    rows = pl.DataFrame(seats(1, 2, 3, 4, 5), schema_overrides=TYPES)
    fee = {"service_fee": {"amount": "25", "period": "quarter"}}
    known = contract(fee, date(2024, 5, 16)).with_columns(
        profile_prorate_end=pl.lit(mode, pl.String)
    )
    found = charge_lines(rows, contracts=known, through=LATE).filter(component="service_fee")
    expected = [D(25)] if costs is None else [D(25), D(costs)]
    assert found.sort("due_on")["amount"].to_list() == expected


def test_a_quarter_is_counted_in_the_days_of_the_profile():
    """15 of April's and May's 90 days of 30 each a month: 30 + 15."""
    rows = pl.DataFrame(seats(4, 5), schema_overrides=TYPES)
    fee = {"service_fee": {"amount": "90", "period": "quarter"}}
    known = contract(fee, date(2024, 5, 16)).with_columns(day_count=pl.lit("fixed_days"))
    found = charge_lines(rows, contracts=known, through=LATE).filter(component="service_fee")
    assert found["amount"].to_list() == [45]


def test_a_cut_period_of_the_items_has_its_share_of_the_fee_unless_it_says_otherwise():
    half = {"window_end_on": date(2024, 1, 16)}
    assert fees(seats(1, **half), {"amount": "31"}) == [("{}", month(1), month(1), 15)]
    whole = {"amount": "31", "prorate": False}
    assert fees(seats(1, **half), whole) == [("{}", month(1), month(1), 31)]


def test_what_goes_back_of_a_fee_in_advance_goes_back_of_the_fixed_fee():
    """Paid to the end of January, cancelled on the 16th: 16 of 31 days go back."""
    cut = {"credit_numerator": 16, "credit_denominator": 31, "credit_basis": "billed"}
    row = {**cut, "share_numerator": 31, "share_denominator": 31}
    assert fees(seats(1, **row), {"amount": "31"})[0][-1] == 15


def test_a_share_is_spread_over_a_boundary_and_never_more_than_the_cap_of_its_period():
    """10 % of 100 and of 80, at most 15: 10 for the seat on the first day, 5 for the usage."""
    rows = [*seats(1, 2), window(1, "8")]
    assert fees(rows, {"percentage": "0.1", "cap": "15"}) == [
        ('{"item":"seat"}', month(1), month(1), 10),
        ('{"item":"api"}', month(1), month(2), 5),
        ('{"item":"seat"}', month(2), month(2), 10),
    ]


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=6),
    st.integers(0, 90),
    st.integers(0, 30),
)
def test_the_fee_of_a_quarter_is_the_share_within_its_limits(units, cap, least):
    rows = [window(n, str(used)) for n, used in enumerate(units, 1)]
    least = min(cap, least)
    fee = {"percentage": "0.1", "cap": str(cap), "minimum": str(least), "period": "quarter"}
    quarters = [sum(units[:3]), sum(units[3:])][: 1 if len(units) <= 3 else 2]
    expected = sum(min(max(used, least), cap) for used in quarters)
    assert sum(row[-1] for row in fees(rows, fee)) == expected


def test_what_a_period_is_short_of_its_minimum_is_due_when_it_is_over():
    fee = {"percentage": "0.1", "minimum": "9", "period": "quarter"}
    rows = [window(n, "1") for n in (1, 2, 3)]
    assert fees(rows, fee)[-2:] == [
        ("{}", month(1), month(4), 6),
        ('{"item":"api"}', month(3), month(4), 1),
    ]
    assert fees(rows[:2], fee, through=date(2024, 3, 31)) == [
        ('{"item":"api"}', month(1), month(2), 1),
        ('{"item":"api"}', month(2), month(3), 1),
    ]


def test_the_true_up_of_a_year_counts_for_the_cap_of_its_last_month():
    """December: 10 % of 10 and of the 880 that are short, at most 20."""
    terms = {
        "commitments": [{"id": "k", "amount": "1000", "period": "year"}],
        "service_fee": {"percentage": "0.1", "cap": "20"},
    }
    found = lines([window(n, "1") for n in range(1, 13)], terms)
    charged = found.filter(component="service_fee").group_by("due_on").agg(pl.col("amount").sum())
    last = dict(charged.iter_rows())
    assert last[month(13)] == 20
    assert [last[month(n)] for n in range(2, 13)] == [1] * 11
