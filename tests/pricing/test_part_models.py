import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from meterhouse.canonical import canonical_json
from meterhouse.contracts.prices import Price
from meterhouse.errors import UsageError
from meterhouse.pricing.models import MODELS
from meterhouse.pricing.rating import rate_windows
from meterhouse.pricing.scalar import charge
from tests.pricing.part_prices import BY_PARTS, frame, part_prices, parts_of
from tests.pricing.prices import windows

BOOK = TypeAdapter(Price)


def book(**price):
    """A price as the book holds it, with its defaults filled."""
    return BOOK.dump_python(BOOK.validate_python(price), mode="json")


def part(quantity, weight="1/1", **keys):
    numerator, _, denominator = weight.partition("/")
    return {
        "keys": canonical_json(keys),
        "quantity": Decimal(quantity),
        "weight_numerator": int(numerator),
        "weight_denominator": int(denominator),
    }


def added(numbers):
    with localcontext(prec=60):  # 28 digits, as by default, round the largest sums.
        return sum(numbers, Decimal(0))


def total(parts):
    return max(added(one["quantity"] for one in parts), Decimal(0))


def rated(price, *parts):
    asked = windows([(price, total(parts))])
    return rate_windows(asked, frame([parts])).row(0, named=True)


def amount(price, *parts):
    return rated(price, *parts)["amount_unrounded"]


def steps(price, *parts):
    return json.loads(rated(price, *parts)["steps"])


@st.composite
def rows(draw):
    model = draw(st.sampled_from(BY_PARTS))
    return draw(part_prices(model)), draw(parts_of(model))


@settings(max_examples=30)
@given(st.lists(rows(), min_size=1, max_size=5))
def test_parts_are_rated_as_the_obvious_charge_says_and_explain_themselves(asked):
    result = rate_windows(
        windows([(price, total(parts) if parts else 0) for price, parts in asked]),
        # In any order: the parts of a window are told apart by their numbers.
        frame([parts for _, parts in asked]).reverse(),
    )
    wanted = [charge(price, Decimal(0), parts) for price, parts in asked]
    assert result["amount_unrounded"].to_list() == wanted
    for one, told in result.select("amount_unrounded", "steps").rows():
        assert added(Decimal(step["amount"]) for step in json.loads(told)) == one
        assert told == canonical_json(json.loads(told))


@settings(max_examples=50)
@given(rows())
def test_the_book_takes_every_price_that_is_tried_here_and_says_the_same(asked):
    price, parts = asked
    try:
        model = BOOK.validate_python(price)
    except ValidationError as error:
        faults = {one["msg"] for one in error.errors()}
        known = ("same units", "two cells", "at least 1 item", "is not in the formula")
        known = (*known, "has more than", "negative")
        assert all(any(words in fault for words in known) for fault in faults), faults
        return
    said = BOOK.dump_python(model, mode="json")
    assert charge(said, Decimal(0), parts) == charge(price, Decimal(0), parts)
    assert BOOK.dump_python(BOOK.validate_python(said), mode="json") == said


@pytest.mark.parametrize("model", BY_PARTS)
def test_every_model_that_reads_parts_is_tried(model):
    assert MODELS[model].reads_parts


def test_a_quantity_without_parts_is_refused_and_not_free():
    with pytest.raises(UsageError, match="have a quantity but no parts"):
        rate_windows(windows([(book(**BUCKETED), 3)]), frame([[]]))


MATRIX = {
    "model": "matrix",
    "cells": [
        {"keys": {"region": "eu"}, "price": {"model": "per_unit", "unit_amount": "1"}},
        {
            "keys": {"region": ["eu", "us"], "size": "l"},
            "price": {
                "model": "graduated",
                "tiers": [{"up_to": "10", "unit_amount": "3"}, {"unit_amount": "2"}],
            },
        },
    ],
}


def test_a_matrix_adds_up_the_units_of_a_cell_before_it_prices_them():
    parts = (part("8", region="eu", size="l"), part("4", region="us", size="l"))
    assert amount(book(**MATRIX), *parts) == 34
    assert amount(book(**MATRIX), *parts, part("7", region="eu", size="s")) == 41


def test_a_matrix_tells_what_no_cell_is_for():
    told = steps(book(**MATRIX), part("2", region="eu", size=None), part("30", region="asia"))
    assert [(one["step"], one["amount"]) for one in told] == [("cell", "2"), ("unmatched", "0")]
    assert (told[1]["quantity"], told[1]["example"]) == ("30", {"region": "asia"})
    default = {"model": "package", "package_size": "20", "package_amount": "5"}
    assert amount(book(**MATRIX, default=default), part("30", region="asia")) == 10


def test_the_steps_of_a_cell_hold_those_of_its_own_price():
    (told,) = steps(book(**MATRIX), part("12", region="us", size="l"))
    assert told["keys"] == {"region": ["eu", "us"], "size": "l"}
    assert [one["amount"] for one in told["steps"]] == ["30", "4"]


TWO = {
    "model": "two_dimensional",
    "tier_by": {"unit": "seat"},
    "price_by": {"unit": "call"},
    "tiers": [
        {"up_to": "10", "price": {"model": "per_unit", "unit_amount": "0.5"}},
        {"price": {"model": "per_unit", "unit_amount": "0.25"}},
    ],
}


@pytest.mark.parametrize(("seats", "expected"), [("0", 50), ("10", 50), ("10.01", 25)])
def test_one_quantity_picks_the_tier_and_another_is_priced(seats, expected):
    assert amount(book(**TWO), part(seats, unit="seat"), part("100", unit="call")) == expected


BUCKETED = {"model": "bucketed", "price": MATRIX["cells"][1]["price"]}


def test_every_bucket_starts_in_the_first_tier():
    assert amount(book(**BUCKETED), part("12"), part("12")) == 68
    assert [one["amount"] for one in steps(book(**BUCKETED), part("1"), part("12"))] == ["3", "34"]


CAPACITY = {
    "model": "capacity",
    "tiers": [
        {"limits": {"cpu": "10", "ram": "100"}, "amount": "5"},
        {"limits": {"cpu": "20"}, "amount": "8"},
        {"amount": "20"},
    ],
}


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ({}, 5), ({"cpu": "10", "ram": "100"}, 5), ({"cpu": "10.1"}, 8), ({"ram": "10000"}, 8),
        ({"cpu": "21", "ram": "1"}, 20), ({"disk": "9"}, 5),
    ],
)  # fmt: skip
def test_the_highest_tier_that_any_unit_reaches_sets_the_amount(used, expected):
    parts = [part(quantity, unit=unit) for unit, quantity in used.items()]
    assert amount(book(**CAPACITY), *parts) == expected


def test_capacity_tells_which_unit_reached_the_tier_and_which_has_no_limits():
    told = steps(book(**CAPACITY), part("9", unit="disk"), part("15", unit="cpu"))
    assert [(one["step"], one["amount"]) for one in told] == [("capacity", "8"), ("unmatched", "0")]
    assert (told[0]["keys"], told[0]["tier"]) == ({"unit": "cpu"}, "2")


COMMITTED = {
    "model": "windowed_commitment",
    "default": {
        "price": {"model": "per_unit", "unit_amount": "2"},
        "commitment_quantity": "5",
        "overage_factor": "1.5",
    },
}


@pytest.mark.parametrize(
    ("true_up", "quantity", "expected"),
    [(False, "4", 8), (True, "4", 10), (True, "5", 10), (True, "0", 10), (False, "7", 16)],
)
def test_a_bucket_costs_a_factor_above_its_commitment(true_up, quantity, expected):
    default = COMMITTED["default"] | {"true_up": true_up}
    price = book(**COMMITTED | {"default": default})
    assert amount(price, part(quantity)) == expected
    assert amount(price, part(quantity), part("5")) == expected + 10


PRORATED = {
    "tiers": [
        {"up_to": "5", "unit_amount": "10", "flat_amount": "100"},
        {"unit_amount": "5", "flat_amount": "50"},
    ]
}


@pytest.mark.parametrize(
    ("moves", "graduated", "volume"),
    [
        ([], "100", "100"),
        ([("5", "15/30")], "125", "125"),
        ([("5", "15/30"), ("1", "6/30")], "176", "63.5"),
        ([("6", "1/1"), ("-3", "12/30")], "195", "148"),
        ([("5", "1/2"), ("-6", "1/3")], "0", "0"),
    ],
)
def test_units_count_for_the_part_of_the_period_that_was_left(moves, graduated, volume):
    parts = [part(*move) for move in moves]
    assert amount(book(model="prorated_graduated", **PRORATED), *parts) == Decimal(graduated)
    assert amount(book(model="prorated_volume", **PRORATED), *parts) == Decimal(volume)


@pytest.mark.parametrize(
    ("price", "fault"),
    [
        (MATRIX | {"cells": [MATRIX["cells"][0]] * 2}, "two cells have the keys {region: eu}"),
        (MATRIX | {"cells": []}, "at least 1 item"),
        (BUCKETED | {"price": {"model": "flat", "amount": "1"}}, "Input tag 'flat'"),
        (TWO | {"price_by": TWO["tier_by"]}, "same units"),
        (TWO | {"tiers": TWO["tiers"][:1]}, "must be open"),
        (CAPACITY | {"tiers": CAPACITY["tiers"][:2]}, "the last tier must have no limits"),
        (
            CAPACITY | {"tiers": [{"amount": "1"}, *CAPACITY["tiers"]]},
            "the limits of 'cpu' must rise",
        ),
        (
            COMMITTED | {"default": COMMITTED["default"] | {"commitment_amount": "1"}},
            "say one of them",
        ),
        (
            COMMITTED | {"default": {"price": BUCKETED["price"], "true_up": True}},
            "need a commitment",
        ),
        (PRORATED | {"model": "prorated_volume", "tiers": [{"up_to": "5"}]}, "must be open"),
    ],
)
def test_the_book_refuses(price, fault):
    with pytest.raises(ValidationError, match=fault):
        BOOK.validate_python(price)
