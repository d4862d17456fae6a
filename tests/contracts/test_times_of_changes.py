"""Prices and quantities that change at a time of a day, in contracts that count seconds."""

from datetime import date
from itertools import pairwise

import pytest
from pydantic import ValidationError

from tests.contracts.planning import API, SEATS, contract, lines, windows

SECONDS = {"granularity": "second"}
HORIZON = date(2024, 3, 2)


def flat(amount):
    return {"model": "flat", "amount": amount}


def told(at, *, item=SEATS, price=None, profile=SECONDS, **more):
    changed = {"from": "2024-02-16", "price": price or flat("20")} | ({"time": at} if at else {})
    return contract(items=[{**item, "prices": [changed]}], profile=profile, **more)


def amounts(found):
    frame = lines(found, HORIZON)
    return [str(one.normalize() + 0) for one in frame["amount"]]


def test_a_fee_is_cut_to_the_second():
    """At noon 13.5 of 29 days are left: 10.00 x 15.5/29 and 20.00 x 13.5/29."""
    assert amounts(told("12:00"))[1:3] == ["5.34", "9.31"]
    assert amounts(told(None))[1:3] == ["5.17", "9.66"]


def test_parts_of_a_fee_in_advance_say_what_goes_back_in_seconds():
    frame = windows(told("19:14:48"), HORIZON).sort("window_start_on")
    first, second = frame.row(1, named=True), frame.row(2, named=True)
    left = 13 * 86400 + (24 * 3600 - (19 * 3600 + 14 * 60 + 48))
    assert (first["credit_numerator"], first["credit_denominator"]) == (left, 29 * 86400)
    assert (second["share_numerator"], second["share_denominator"]) == (left, 29 * 86400)
    assert str(second["window_start"]) == "2024-02-16 19:14:48+00:00"
    assert second["window_start_on"] == date(2024, 2, 16)


def test_a_fee_in_arrears_ends_and_begins_at_the_time():
    frame = windows(told("12:00", item={**SEATS, "timing": "arrears"}), HORIZON)
    edges = frame.sort("window_start").select("window_start", "window_end").rows()
    assert all(end == start for (_, end), (start, _) in pairwise(edges))
    assert str(edges[1][1]) == "2024-02-16 12:00:00+00:00"
    assert amounts(told("12:00", item={**SEATS, "timing": "arrears"}))[1:3] == ["5.34", "9.31"]


def test_usage_is_measured_up_to_the_time_and_from_it_on():
    dearer = {"model": "per_unit", "unit_amount": "0.2"}
    frame = windows(told("12:00", item=API, price=dearer), HORIZON).sort("window_start")
    second = frame.row(2, named=True)
    assert (str(frame["window_end"][1]), str(second["window_start"])) == (
        "2024-02-16 12:00:00+00:00", "2024-02-16 12:00:00+00:00",
    )  # fmt: skip
    assert frame["is_whole_days"].to_list()[:4] == [True, False, False, True]


def test_what_changes_on_the_first_day_of_a_period_holds_for_all_of_it():
    assert amounts(told("12:00", start="2024-01-16"))[1] == "20"
    begins = windows(told("12:00", start="2024-01-16"), HORIZON).sort("window_start")
    assert str(begins["window_start"][1]) == "2024-02-16 00:00:00+00:00"


def test_periods_that_begin_anew_are_charged_whole_and_the_rest_goes_back_to_the_second():
    reset = SECONDS | {"change_anchor": "reset_to_change_date"}
    frame = lines(told("12:00", profile=reset), HORIZON)
    assert amounts(told("12:00", profile=reset))[1:3] == ["5.34", "20"]
    assert str(frame["window_start_on"][2]) == "2024-02-16"


def test_a_quantity_changes_at_a_time_too():
    more = {**SEATS, "quantities": [{"from": "2024-02-16", "time": "12:00", "quantity": "2"}]}
    assert amounts(contract(items=[more], profile=SECONDS))[1:3] == ["5.34", "9.31"]


def test_a_time_before_the_day_begins_is_refused():
    with pytest.raises(ValidationError, match="earlier than `day_starts_at`: say the day before"):
        told("03:00", day_starts_at="06:00")


def test_a_profile_may_credit_the_old_price_and_charge_the_new_one_whole():
    whole = SECONDS | {"prorate_change": "full_with_credit"}
    assert amounts(told("12:00", profile=whole))[1:3] == ["5.34", "20"]
    assert amounts(told("12:00", profile=SECONDS | {"prorate_change": "full"}))[1:3] == ["10", "20"]
