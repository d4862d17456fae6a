"""Options of a profile that say where periods begin anew and what a last period costs."""

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.planning import API, SEATS, contract, cut, frames, lines
from tests.contracts.test_lifecycle_edges import at_once

START = date(2024, 1, 1)


def flat(amount):
    return {"model": "flat", "amount": amount}


def starts(frame):
    return [day.isoformat() for day in frame["window_start_on"].unique().sort()]


def costs(told, horizon=date(2025, 6, 1)):
    frame = lines(told, horizon).sort("window_start_on", "item_id")
    return [str(amount.normalize() + 0) for amount in frame["amount"]]


CHANGED = {"items": [{**SEATS, "prices": [{"from": "2024-02-16", "price": flat("20")}]}]}


@pytest.mark.parametrize(
    ("profile", "expected", "costing"),
    [
        ({}, ["2024-01-01", "2024-02-01", "2024-02-16", "2024-03-01"], ["10", "5.17", "9.66"]),
        (
            {"change_anchor": "reset_to_change_date"},
            ["2024-01-01", "2024-02-01", "2024-02-16", "2024-03-16"],
            ["10", "5.17", "20"],
        ),
    ],
)
def test_a_price_that_changes_keeps_the_anchor_or_begins_the_periods_anew(
    profile, expected, costing
):
    told = contract(**CHANGED, profile=profile)
    assert starts(lines(told, date(2024, 3, 20))) == expected
    assert costs(told, date(2024, 3, 20))[:3] == costing


def test_periods_of_a_calendar_that_begin_anew_follow_the_day_of_the_change():
    told = contract(
        **CHANGED, anchor={"calendar": True}, profile={"change_anchor": "reset_to_change_date"}
    )
    assert starts(lines(told, date(2024, 4, 20)))[2:] == ["2024-02-16", "2024-03-16", "2024-04-16"]


TERM = {"start": "2024-01-16", "anchor_day": 1, "end": "2024-04-16"}


@pytest.mark.parametrize("timing", ["advance", "arrears"])
@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({}, ["5.16", "10", "10", "5"]),  # 16/31 of January, 15/30 of April
        ({"final_period": "remainder_of_first"}, ["5.16", "10", "10", "4.84"]),
        (
            {"final_period": "remainder_of_first", "prorate_start": "full"},
            ["10", "10", "10", "5"],
        ),
    ],
)
def test_a_last_period_costs_its_part_or_what_the_first_one_left(timing, profile, expected):
    items = [{**SEATS, "timing": timing}]
    assert costs(contract(**TERM, items=items, profile=profile)) == expected


@pytest.mark.parametrize("price", ["0.01", "0.05", "9.99", "31.00", "100.31"])
def test_a_term_of_whole_periods_adds_up_to_the_cent(price):
    told = {**SEATS, "price": flat(price)}
    profile = {"final_period": "remainder_of_first"}
    total = sum(map(Decimal, costs(contract(**TERM, items=[told], profile=profile))))
    assert total == 3 * Decimal(price)


@pytest.mark.parametrize(
    ("more", "last"),
    [
        ({"end": "2024-04-20"}, "6.33"),  # no whole periods: 19 of 30 days
        ({"cancellation": at_once("2024-04-11")}, "3.33"),  # 10 of 30 days
    ],
)
def test_what_ends_otherwise_is_cut_by_its_days(more, last):
    told = contract(**{**TERM, **more}, profile={"final_period": "remainder_of_first"})
    assert costs(told)[-1] == last


def test_who_cancels_on_the_day_on_which_the_trial_ends_owes_nothing():
    profile = {"cancel_day": "charged"}
    trial = {"until": "2024-01-16"}
    fees = {
        on: costs(contract(trial=trial, cancellation=at_once(on), profile=profile))
        for on in ("2024-01-10", "2024-01-15", "2024-01-16", "2024-01-17")
    }
    assert fees["2024-01-17"] == ["0.65"]  # 2 of 31 days
    assert [fees[on] for on in sorted(fees)[:3]] == [[], [], []]


PROFILES = st.fixed_dictionaries(
    {},
    optional={
        "granularity": st.sampled_from(["day", "second"]),
        "day_count": st.sampled_from(["actual_period", "strict_30_360", "fixed_days"]),
        "grid_from": st.sampled_from(["contract", "segment"]),
        "change_anchor": st.sampled_from(["keep", "reset_to_change_date"]),
        "final_period": st.sampled_from(["prorate", "remainder_of_first"]),
        "prorate_start": st.sampled_from(["prorate", "full", "none"]),
        "prorate_end": st.sampled_from(["prorate", "full", "none"]),
        "prorate_change": st.sampled_from(["prorate", "full", "none"]),
    },
)


@given(
    PROFILES,
    st.booleans(),
    st.none() | st.integers(1, 31),
    st.lists(st.integers(1, 150), max_size=3, unique=True),
    st.integers(1, 200),
    st.sampled_from(["weekly", "monthly", "quarterly"]),
)
def test_windows_cover_the_life_of_a_contract_without_gap_or_overlap(
    profile, of_customer, anchor_day, changes, length, cadence
):
    end = START + timedelta(days=length)
    prices = [
        {"from": (START + timedelta(days=day)).isoformat(), "price": flat(str(20 + n))}
        for n, day in enumerate(sorted(changes))
    ]
    fee = {**SEATS, "timing": "arrears", "cadence": cadence, "prices": prices}
    advance = {**fee, "id": "ahead", "timing": "advance"}
    told = contract(
        items=[fee, advance, {**API, "cadence": cadence}],
        anchor_day=anchor_day, end=end.isoformat(), profile=None if of_customer else profile,
    )  # fmt: skip
    known = frames(told, ("customer", "c", None, {"name": "C", "profile": profile}))
    frame = cut(known, date(2025, 6, 1)).sort("item_id", "window_start_on")
    assert set(frame["item_id"]) == {"seats", "ahead", "api"}
    for name in ("seats", "ahead", "api"):
        own = frame.filter(pl.col("item_id") == name)
        until = own["window_end_on"] if name == "api" else own["served_end_on"]
        assert own["window_start_on"][0] == START
        assert until[-1] == end
        assert own["window_start_on"][1:].to_list() == until[:-1].to_list()
        assert (own["share_numerator"] <= own["share_denominator"]).all()
        assert (own["share_numerator"] >= 0).all()
