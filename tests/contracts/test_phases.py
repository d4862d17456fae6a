from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.contracts.planning import (
    API,
    SEATS,
    contract,
    costing,
    cut,
    lines,
    read,
    shown,
    windows,
)

ARREARS = {**SEATS, "timing": "arrears"}


def amount(value):
    return {"price": {"model": "flat", "amount": value}}


def ramp(*phases, **fields):
    told = [{"id": f"p{n}", "from": on, **more} for n, (on, more) in enumerate(phases)]
    return contract(phases=told, **fields)


def test_a_phase_off_the_anchor_makes_two_stubs_of_what_is_paid_in_advance():
    told = ramp(("2024-01-01", {}), ("2024-01-15", {"items": {"seats": amount("20")}}))
    found = lines(told, date(2024, 3, 1))
    # 14 of 31 days at 10.00 and 17 of 31 at 20.00; nothing is credited, no day is paid twice.
    assert shown(found, "credit_numerator") == [
        ("2024-01-01", "2024-01-15", "4.52", 0),
        ("2024-01-15", "2024-02-01", "10.97", 0),
        ("2024-02-01", "2024-03-01", "20", 0),
    ]
    assert found["due_on"].to_list() == [date(2024, 1, 1), date(2024, 1, 15), date(2024, 2, 1)]


def test_a_phase_on_the_anchor_cuts_nothing():
    told = ramp(
        ("2024-01-01", {"items": {"seats": {"quantity": "2"}}}),
        ("2024-02-01", {"items": {"seats": {"quantity": "5"}}}),
        ("2024-03-01", {}),
    )
    found = shown(lines(told, date(2024, 3, 2)))
    # The last phase says nothing of the seats: what the item says itself holds again.
    assert [row[2] for row in found] == ["20", "50", "10"]


def test_a_phase_that_changes_nothing_cuts_nothing():
    told = ramp(("2024-01-01", {}), ("2024-01-10", {}))
    assert windows(told, date(2024, 3, 1)).equals(windows(contract(), date(2024, 3, 1)))


def test_lengths_of_phases_are_counted_from_the_day_that_was_written_not_from_short_months():
    month = {"after": {"every": 1, "unit": "month"}}
    told = contract(
        start="2024-01-31",
        phases=[{"id": "a"}, {"id": "b", **month}, {"id": "c", **month},
                {"id": "d", "after": {"every": 10, "unit": "day"}}],
    )  # fmt: skip
    days = [str(phase.starts_on) for phase in told.phases]
    assert days == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-10"]
    again = contract(**told.model_dump(mode="json", by_alias=True, exclude={"customer"}))
    assert again == told


def test_a_free_phase_costs_nothing_and_its_usage_only_if_it_says_so():
    free = [("2024-01-01", {"free": True}), ("2024-02-01", {})]
    covered = [("2024-01-01", {"free": True, "covers_usage": True}), ("2024-02-01", {})]
    items = {"items": [SEATS, API]}
    found = lines(ramp(*free, **items), date(2024, 2, 2), used=Decimal(10))
    assert shown(found, "item_id") == [
        ("2024-01-01", "2024-02-01", "1", "api"),
        ("2024-02-01", "2024-03-01", "1", "api"),
        ("2024-02-01", "2024-03-01", "10", "seats"),
    ]
    found = lines(ramp(*covered, **items), date(2024, 2, 2), used=Decimal(10))
    assert found["window_start_on"].min() == date(2024, 2, 1)


def test_an_item_that_is_off_in_a_phase_is_not_paid_for_in_advance_either():
    told = ramp(
        ("2024-01-01", {}), ("2024-01-11", {"items": {"seats": {"charged": False}}}),
        ("2024-01-21", {}),
    )  # fmt: skip
    assert shown(lines(told, date(2024, 2, 1)), "credit_numerator") == [
        ("2024-01-01", "2024-01-11", "3.23", 0),
        ("2024-01-21", "2024-02-01", "3.55", 0),
    ]


def test_the_anchor_outlives_a_phase_unless_the_phase_takes_it():
    second = {"items": {"seats": amount("20")}}
    kept = lines(ramp(("2024-01-01", {}), ("2024-01-15", second)), date(2024, 3, 1))
    taken = ramp(("2024-01-01", {}), ("2024-01-15", {**second, "reanchor": True}))
    found = lines(taken, date(2024, 3, 1))
    assert kept["period_start_on"].to_list()[1:] == [date(2024, 1, 1), date(2024, 2, 1)]
    assert shown(found) == [
        ("2024-01-01", "2024-01-15", "4.52"),
        ("2024-01-15", "2024-02-15", "20"),
        ("2024-02-15", "2024-03-15", "20"),
    ]


def test_a_change_nobody_planned_is_credited_up_to_the_next_planned_day_only():
    dated = {**SEATS, "quantities": [{"from": "2024-01-11", "quantity": "3"}]}
    told = ramp(
        ("2024-01-01", {}), ("2024-01-21", {"items": {"seats": amount("31")}}), items=[dated]
    )
    assert shown(lines(told, date(2024, 2, 1)), "credit_numerator", "credit_denominator") == [
        ("2024-01-01", "2024-01-21", "3.22", 10, 31),
        ("2024-01-11", "2024-01-21", "9.68", 0, 1),
        ("2024-01-21", "2024-02-01", "33", 0, 1),
    ]


def test_a_pause_that_extends_moves_what_is_planned_and_the_end():
    phases = [("2024-01-01", {}), ("2024-03-01", {"items": {"seats": amount("20")}})]
    pause = {"from": "2024-02-01", "until": "2024-02-11"}
    life = {"end": "2024-04-01", "anchor_day": 1}
    plain = ramp(*phases, pauses=[pause], **life)
    moved = ramp(*phases, pauses=[{**pause, "extend": True}], **life)
    assert (str(plain.effective_end), str(moved.effective_end)) == ("2024-04-01", "2024-04-11")
    horizon = date(2024, 6, 1)
    assert [row[:2] for row in shown(lines(plain, horizon))][1:] == [
        ("2024-02-11", "2024-03-01"), ("2024-03-01", "2024-04-01"),
    ]  # fmt: skip
    found = lines(moved, horizon).filter(pl.col("credit_numerator") == 0)
    assert shown(found)[1:] == [
        ("2024-02-11", "2024-03-01", "6.55"),
        ("2024-03-01", "2024-03-11", "3.23"),
        ("2024-03-11", "2024-04-01", "13.55"),
        ("2024-04-01", "2024-04-11", "6.67"),
    ]


def test_a_pause_without_an_end_yet_leaves_the_end_open():
    told = contract(end="2024-04-01", pauses=[{"from": "2024-02-01", "extend": True}])
    assert told.effective_end is None
    found = shown(lines(told, date(2024, 12, 1)))
    assert found == [("2024-01-01", "2024-02-01", "10")]


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.integers(0, 9999), st.integers(0, 9)),
        min_size=1, max_size=4, unique_by=lambda one: one[0],
    )
)  # fmt: skip
def test_phases_cost_in_arrears_what_the_same_changes_on_those_days_cost(changes):
    told = sorted(changes)
    days = [date(2024, 1, 1) + timedelta(day) for day, _, _ in told]
    phases = [
        (day.isoformat(), {"items": {"seats": {"quantity": str(q), **amount(f"0.{n:04}")}}})
        for day, (_, n, q) in zip(days, told, strict=True)
    ]
    dated = {
        **ARREARS,
        "prices": [{"from": on, **one["items"]["seats"]} for on, one in phases],
        "quantities": [{"from": on, **one["items"]["seats"]} for on, one in phases],
    }
    for entries, other in (("prices", "quantity"), ("quantities", "price")):
        for entry in dated[entries]:
            del entry[other]
    both = {"k": ramp(*phases, items=[ARREARS]), "plain": contract(items=[dated])}
    documents = [
        ("contract", id, None, one.model_dump(mode="json", by_alias=True))
        for id, one in both.items()
    ]
    found = costing(cut(read(documents), date(2024, 5, 1)))
    planned, plain = (found.filter(pl.col("contract_id") == id) for id in both)
    # A planned day is a cut also where it changes nothing; the amounts round at their cuts.
    if planned.height == plain.height:
        assert planned["amount"].to_list() == plain["amount"].to_list()
    assert abs(planned["amount"].sum() - plain["amount"].sum()) <= Decimal("0.01") * 4


@pytest.mark.parametrize(
    ("phases", "sentence"),
    [
        ([{"id": "a", "items": {"x": {}}}], "names items that the contract does not have: x"),
        ([{"id": "a"}, {"id": "a", "from": "2024-02-01"}], "used more than once: a"),
        ([{"id": "a"}, {"id": "b"}], "'b' needs `from` or `after`"),
        ([{"id": "a", "from": "2024-03-01"}, {"id": "b", "from": "2024-02-01"}], "not in order"),
        ([{"id": "a", "from": "2023-03-01"}], "before the contract starts"),
        ([{"id": "a"}, {"id": "b", "from": "2030-01-01"}], "when the contract has ended"),
        ([{"id": "a", "items": {"api": {"quantity": "3"}}}], "reads a meter"),
        ([{"id": "a", "items": {"api": amount("3")}}], "from usage into a fee"),
        ([{"id": "a", "items": {"seats": {"charged": False, "quantity": "3"}}}], "is off and has"),
        ([{"id": "a", "covers_usage": True}], "add `free: true`"),
        ([{"id": "a"}, {"id": "b", "from": "2024-02-01", "items": {"seats": {}}}], "both begin on"),
        (
            [{"id": "a"}, {"id": "b", "from": "2024-03-02",
                           "after": {"every": 2, "unit": "month"}}],
            "by its `from` and on 2024-03-01",
        ),
    ],
)  # fmt: skip
def test_phases_are_refused_for(phases, sentence):
    dated = {**SEATS, "quantities": [{"from": "2024-02-01", "quantity": "3"}]}
    with pytest.raises(ValidationError, match=sentence):
        contract(phases=phases, items=[dated, API], end="2029-01-01")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"trial": {"until": "2024-02-01"}, "phases": [{"id": "a", "free": True}]}, "say the same"),
        ({"anchor": {"calendar": True}, "phases": [{"id": "a", "reanchor": True}]}, "keep one"),
        (
            {"pauses": [{"from": "2024-02-01", "until": "2024-03-01", "extend": True},
                        {"from": "2024-02-10", "until": "2024-03-01"}]},
            "would count twice",
        ),
    ],
)  # fmt: skip
def test_two_plans_for_one_thing_are_refused(fields, sentence):
    with pytest.raises(ValidationError, match=sentence):
        contract(**fields)
