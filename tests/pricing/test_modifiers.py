"""Each modifier alone, its share of cut periods, and what runs over several of them."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.money import round_half_away
from meterhouse.pricing.modifiers.discounts import discount
from meterhouse.pricing.modifiers.quantities import convert
from tests.pricing.modified import FEE, lines, month, sums, total, window

HALF = {"window_end_on": date(2024, 1, 16), "due_on": date(2024, 1, 16)}  # 15 of 31 days.
CONVERSIONS = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["multiply", "divide"]),
        "factor": st.decimals("0.001", 5000, places=3).map(str),
        "rounding": st.sampled_from(["none", "up", "down", "half_up"]),
    }
)


@given(st.lists(st.tuples(st.decimals(0, 10**6, places=3), CONVERSIONS), min_size=1, max_size=20))
def test_columns_convert_as_the_obvious_function_does(cases):
    """A price of 1 makes the amount the quantity."""
    one = {"model": "per_unit", "per": "1", "unit_amount": "1"}
    windows = [
        window(1, str(quantity), {"convert": terms}, one, item=f"i{n}")
        for n, (quantity, terms) in enumerate(cases)
    ]
    found = lines(windows, exact=True).sort("based_on")
    expected = {f"i{n}-1": convert(q, terms) for n, (q, terms) in enumerate(cases)}
    assert dict(zip(found["based_on"], found["amount"], strict=True)) == expected


@given(
    st.decimals(0, 10**5, places=2),
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"percentage": st.decimals(0, 1, places=3).map(str)}),
            st.fixed_dictionaries({"amount": st.decimals(0, 999, places=2).map(str)}),
        ),
        min_size=1,
        max_size=4,
    ),
    st.decimals(0, 500, places=2),
)
def test_columns_discount_as_the_obvious_function_does(net, terms, cap):
    terms = [{**one, "cap": str(cap)} for one in terms]
    price = {**FEE, "amount": str(net)}
    found = lines([window(1, "1", {"discounts": terms}, price)], exact=True)
    assert found["amount"].sum() == discount(net, terms)


@given(st.integers(0, 40), st.integers(0, 300), st.integers(0, 300))
def test_an_item_costs_at_least_its_minimum_and_at_most_its_maximum(units, low, high):
    low, high = sorted((low, high))
    terms = {"minimum": {"amount": str(low)}, "maximum": {"amount": str(high)}}
    assert total(str(units), terms) == min(max(units * 10, low), high)


def test_a_minimum_is_charged_where_nothing_was_used_and_only_at_the_end_of_the_period():
    terms = {"minimum": {"amount": "100"}}
    assert total("0", terms) == 100
    assert total("0", terms, is_period_last=False) == 0


def test_limits_of_a_cut_period_are_cut_by_its_share_and_rounded_once():
    """100 x 15/31 = 48.387…"""
    assert total("0", {"minimum": {"amount": "100"}}, **HALF) == Decimal("48.39")
    assert total("99", {"maximum": {"amount": "100"}}, **HALF) == Decimal("48.39")
    whole = {"minimum": {"amount": "100", "prorate": False}}
    assert total("0", whole, **HALF) == 100


def test_a_share_that_the_window_says_itself_is_used():
    """A commitment of 10000 for 5/30 of a period: 1666.67, and nothing was used."""
    commitment = {"commitment": {"amount": "10000"}}
    found = total("0", commitment, share_numerator=5, share_denominator=30)
    assert found == Decimal("1666.67")


def test_included_units_of_a_cut_period_are_exact_and_free_ones_are_whole():
    """31 x 15/31 = 15 included, 20 - 15 = 5; free units are not cut."""
    assert total("20", {"included_quantity": {"quantity": "31"}}, **HALF) == 50
    assert total("40", {"free_quantity": "31"}, **HALF) == 90


def test_combinations_of_dimensions_share_one_allowance_and_one_minimum():
    terms = {"free_quantity": "10", "minimum": {"amount": "100"}}
    rows = [
        window(1, q, terms, window_id=f"w{d}", charge_id="w", dimensions=f'{{"d":"{d}"}}')
        for d, q in (("a", "7"), ("b", "5"), ("c", "0"))
    ]
    found = lines(rows)
    used = found.filter(component="usage").sort("window_id")["amount"].to_list()
    assert used == [0, 20, 0]
    assert sums(found) == {"usage": "20", "minimum": "80"}


@pytest.mark.parametrize(
    ("units", "expected"), [("3", "50"), ("5", "50"), ("8", "95")], ids=["short", "met", "beyond"]
)
def test_an_item_pays_its_commitment_and_more_for_what_is_beyond(units, expected):
    """50 committed, 1.5 times the price beyond: 50 + 30 x 1.5."""
    commitment = {"commitment": {"amount": "50", "overage_factor": "1.5"}}
    assert total(units, commitment) == Decimal(expected)


def test_a_shortfall_is_not_charged_where_the_commitment_does_not_say_so():
    assert total("3", {"commitment": {"amount": "50", "true_up": False}}) == 30


def test_a_discount_holds_for_the_periods_that_begin_in_its_days():
    terms = {"discounts": [{"amount": "1", "from": "2024-02-01", "until": "2024-04-01"}]}
    found = lines([window(n, "1", terms) for n in range(1, 6)])
    starts = found.filter(component="discount")["window_start_on"].sort().to_list()
    assert starts == [month(2), month(3)]


def test_the_cap_of_a_life_is_used_up_in_the_order_of_time():
    """10 % of 100, 200, 300 with 25 in all: 10, 15, nothing."""
    terms = {"discounts": [{"percentage": "0.1", "cap_total": "25"}]}
    found = lines([window(n, str(n * 10), terms) for n in (3, 1, 2)])
    off = found.filter(component="discount").sort("window_start_on")
    assert off["amount"].to_list() == [-10, -15]


def test_a_discount_is_spread_to_the_cent():
    """1.00 over 3.33, 3.33 and 3.34: 0.33, 0.33, 0.34."""
    prices = {"a": "3.33", "b": "3.33", "c": "3.34"}
    rows = [window(1, "1", None, {**FEE, "amount": p}, item=i) for i, p in prices.items()]
    found = lines(rows, {"discounts": [{"id": "one", "amount": "1"}]})
    off = found.filter(component="discount").sort("dimensions")["amount"].to_list()
    assert [str(round_half_away(-one, 2)) for one in off] == ["0.33", "0.33", "0.34"]


def test_a_discount_for_some_items_leaves_the_others_alone():
    rows = [window(1, "1", item="a"), window(1, "1", item="b")]
    found = lines(rows, {"discounts": [{"id": "x", "percentage": "0.5", "items": ["b"]}]})
    assert found.filter(component="discount")["dimensions"].to_list() == ['{"item":"b"}']


def test_a_pool_of_a_year_is_shared_by_items_in_the_order_of_time():
    """10 units: January's 4 and 3, then 3 of February's 5; the rest costs 10 each."""
    rows = [window(1, "4"), window(1, "3", item="b"), window(2, "5"), window(13, "1")]
    found = lines(rows, {"pools": [{"id": "p", "quantity": "10", "cadence": "year"}]})
    amounts = dict(found.select("based_on", "amount").iter_rows())
    assert amounts == {"api-1": 0, "b-1": 0, "api-2": 20, "api-13": 0}


def test_a_pool_counts_only_the_meters_it_names():
    rows = [window(1, "4"), window(1, "4", item="b")]
    found = lines(rows, {"pools": [{"id": "p", "quantity": "9", "meters": ["b"]}]})
    assert found["amount"].sum() == 40


def test_a_credit_in_units_is_used_until_it_is_gone_or_expires():
    credit = {"id": "g", "amount": "5", "unit": "units", "expires": "2024-03-01"}
    found = lines([window(n, "2") for n in (1, 2, 3)], {"credits": [credit]})
    amounts = dict(found.select("based_on", "amount").iter_rows())
    assert amounts == {"api-1": 0, "api-2": 0, "api-3": 20}


def test_credits_are_used_by_priority_then_by_what_expires_first():
    """150 in January: all of `soon`, then `later`, and `last` keeps 20."""
    credits = [
        {"id": "last", "amount": "100", "priority": 60},
        {"id": "later", "amount": "30"},
        {"id": "soon", "amount": "40", "expires": "2024-06-01"},
    ]
    found = lines([window(1, "15")], {"credits": credits}).filter(component="credit")
    used = dict(found.select("item_id", "amount").iter_rows())
    assert used == {"soon": -40, "later": -30, "last": -80}


def test_a_credit_never_pays_more_than_is_due_and_keeps_the_rest():
    found = lines([window(n, "5") for n in (1, 2)], {"credits": [{"id": "g", "amount": "70"}]})
    used = found.filter(component="credit").sort("window_start_on")["amount"].to_list()
    assert used == [-50, -20]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(0, 500))
def test_what_credits_leave_is_what_is_due_less_what_was_granted(units, granted):
    rows = [window(n, str(q)) for n, q in enumerate(units, start=1)]
    terms = {"credits": [{"id": "g", "amount": str(granted + 1)}]}
    due = sum(units) * 10
    assert lines(rows, terms)["amount"].sum() == max(due - granted - 1, 0)


def test_a_quarter_is_short_of_its_commitment_when_it_is_over():
    terms = {"commitments": [{"id": "k", "amount": "500", "period": "quarter"}]}
    rows = [window(n, "10") for n in range(1, 6)]
    before = lines(rows, terms, through=date(2024, 3, 31))
    assert sums(before) == {"usage": "500"}
    after = lines(rows, terms, through=date(2024, 4, 1)).filter(component="true_up")
    shown = ("item_id", "window_start_on", "window_end_on", "due_on", "amount")
    assert after.select(shown).rows() == [("k", month(1), month(4), month(4), 200)]


def test_late_usage_after_the_true_up_changes_nothing_in_all():
    terms = {"commitments": [{"id": "k", "amount": "1000"}]}
    sums_of = [
        lines([window(n, q) for n in range(1, 13)], terms)["amount"].sum() for q in ("1", "2")
    ]
    assert sums_of == [1000, 1000]


def test_an_early_end_makes_a_commitment_due_by_its_share_or_in_full():
    """91 of 366 days of 2024: 3660 x 91/366 = 910, less 300."""
    rows = [window(n, "10") for n in (1, 2, 3)]
    for prorate, owed in ((True, 610), (False, 3360)):
        terms = {"commitments": [{"id": "k", "amount": "3660", "prorate": prorate}]}
        short = lines(rows, terms, end=month(4)).filter(component="true_up")
        assert short.select("due_on", "amount").rows() == [(month(4), owed)]


def test_a_term_that_was_agreed_longer_is_cut_by_the_end_of_the_contract():
    """12 months of 2024 were agreed, 3 were served."""
    commitment = {"id": "k", "amount": "3660", "period": "term", "until": "2025-01-01"}
    rows = [window(n, "10") for n in (1, 2, 3)]
    short = lines(rows, {"commitments": [commitment]}, end=month(4)).filter(component="true_up")
    assert short["amount"].to_list() == [610]


def test_a_commitment_that_rises_from_year_to_year_is_that_of_its_year():
    rows = [window(n, "1") for n in range(1, 49)]
    ramp = {"commitments": [{"id": "k", "amounts": ["200", "300", "400"]}]}
    short = lines(rows, ramp).filter(component="true_up").sort("due_on")
    assert short.select("due_on", "amount").rows() == [
        (month(13), 80), (month(25), 180), (month(37), 280), (month(49), 280),
    ]  # fmt: skip


def test_a_minimum_of_a_quarter_counts_items_of_several_cadences():
    fee = {"timing": "arrears", "due_on": month(4), "window_end_on": month(4)}
    quarterly = window(1, "1", price=FEE, item="fee", period_end_on=month(4), **fee)
    rows = [quarterly, *(window(n, "2") for n in range(1, 7))]
    least = {"minimum": {"amount": "200", "period": "quarter"}}
    made = lines(rows, least).filter(component="minimum").sort("due_on")
    # 100 + 3 x 20 in the first quarter, 3 x 20 in the second.
    assert made.select("due_on", "amount").rows() == [(month(4), 40), (month(7), 140)]
    assert lines(rows, least, through=month(3)).filter(component="minimum").is_empty()


def test_a_week_over_the_end_of_a_month_counts_where_it_ends():
    """The week of 29 January is not billed on 1 February, so January does not wait for it."""
    days = [date(2024, 1, 1) + timedelta(7 * n) for n in range(10)]
    rows = [
        window(n, "1", window_start_on=day, window_end_on=end, due_on=end)
        | {"period_start_on": day, "period_end_on": end}
        for n, (day, end) in enumerate(pairwise(days), 1)
    ]
    least = {"minimum": {"amount": "60", "period": "month"}}
    for through in (date(2024, 2, 1), date(2024, 2, 5)):
        due = [row for row in rows if row["due_on"] <= through]
        made = lines(due, least, through=through).filter(component="minimum")
        assert made.select("due_on", "amount").rows() == [(month(2), 20)]


def test_a_commitment_of_some_items_counts_only_theirs():
    rows = [window(1, "10", item="a"), window(1, "10", item="b")]
    terms = {"commitments": [{"id": "k", "amount": "150", "period": "window", "items": ["b"]}]}
    assert sums(lines(rows, terms)) == {"usage": "200", "true_up": "50"}


def test_two_windows_of_a_month_and_other_order_give_the_same_lines():
    rows = [window(n, str(n)) for n in range(1, 5)]
    terms = {
        "discounts": [{"id": "d", "amount": "3"}],
        "credits": [{"id": "g", "amount": "25"}],
        "service_fee": {"percentage": "0.033"},
    }
    one, other = lines(rows, terms), lines(rows[::-1], terms)
    assert one.sort("window_id").equals(other.sort("window_id"))


def test_every_line_has_an_id_of_its_own_and_steps_that_add_up_to_it():
    terms = {"discounts": [{"id": "d", "percentage": "0.1"}], "service_fee": {"amount": "2"}}
    found = lines([window(n, "7", {"maximum": {"amount": "50"}}) for n in (1, 2)], terms)
    assert found["window_id"].n_unique() == found.height
    step = pl.Struct({"amount": pl.String})
    stated = found.with_columns(pl.col("steps").str.json_decode(pl.List(step))).explode("steps")
    added = stated.group_by("window_id").agg(
        told=pl.col("steps").struct.field("amount").cast(pl.Decimal(38, 18)).sum()
    )
    joined = found.join(added, on="window_id")
    assert joined["told"].to_list() == joined["amount_unrounded"].to_list()


def cut(*quantities, modifiers):
    """The lines of January with as many windows as quantities, cut on the 16th."""
    edges = [month(1), date(2024, 1, 16), month(2)]
    return lines(
        [
            window(
                1,
                quantity,
                modifiers,
                window_id=f"w{n}",
                window_start_on=edges[n],
                window_end_on=edges[n + 1],
                due_on=edges[n + 1],
                period_start_on=month(1),
                period_end_on=month(2),
                is_period_last=n == len(quantities) - 1,
            )
            for n, quantity in enumerate(quantities)
        ]
    )["amount"].sum()


@pytest.mark.parametrize("prorate", [True, False])
def test_the_limits_of_a_period_hold_for_all_its_windows_together(prorate):
    low = {"minimum": {"amount": "100", "prorate": prorate}}
    assert cut("0", "6", modifiers=low) == 100
    assert cut("8", "7", modifiers=low) == 150
    high = {"maximum": {"amount": "100", "prorate": prorate}}
    assert cut("9", "9", modifiers=high) == 100
    assert cut("9", "0", modifiers=high) == 90
    above = {"commitment": {"amount": "100", "overage_factor": "2", "prorate": prorate}}
    assert cut("8", "7", modifiers=above) == 200
    assert cut("2", "3", modifiers=above) == 100


def test_a_fixed_discount_and_a_cap_are_for_the_period_not_for_each_of_its_windows():
    assert cut("5", "5", modifiers={"discounts": [{"amount": "30"}]}) == 70
    assert cut("1", "5", modifiers={"discounts": [{"amount": "30"}]}) == 30
    capped = {"discounts": [{"percentage": "0.5", "cap": "40"}]}
    assert cut("5", "5", modifiers=capped) == 60


def test_the_minimum_of_a_contract_is_for_the_period_also_where_a_change_cut_it():
    edges = [month(1), date(2024, 1, 16), month(2)]
    halves = [
        window(1, "1", price=FEE, window_id=f"w{n}", window_start_on=edges[n],
               window_end_on=edges[n + 1], period_start_on=month(1), period_end_on=month(2))
        for n in (0, 1)
    ]  # fmt: skip
    assert lines(halves, {"minimum": {"amount": "150"}})["amount"].sum() == 150
