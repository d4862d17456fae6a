"""An amount over lines: nothing is lost, the twin agrees, ties go to the earlier line."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.errors import UsageError
from meterhouse.invoicing.allocation import allocate, allocated
from meterhouse.money import AMOUNT

D = Decimal


def frame(groups):
    """One row per line of groups (amount, weights, places)."""
    rows = [
        (number, amount, weight, places)
        for number, (amount, weights, places) in enumerate(groups)
        for weight in weights
    ]
    schema = {"group": pl.Int64, "amount": AMOUNT, "weight": AMOUNT, "places": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


@st.composite
def groups(draw):
    places = draw(st.sampled_from([0, 2, 3, 4, 9]))
    amount = D(draw(st.integers(-(10**12), 10**12))).scaleb(-places)
    scaled = st.integers(-3, 10**9).map(lambda units: D(units).scaleb(-6))
    return amount, draw(st.lists(scaled, min_size=1, max_size=6)), places


@settings(max_examples=25)
@given(st.lists(groups(), max_size=5))
def test_parts_add_up_and_the_frame_agrees_with_its_twin(given_groups):
    expected = [allocate(*group) for group in given_groups]
    found = allocated(frame(given_groups), by=["group"])
    assert found["share"].to_list() == [share for shares in expected for share in shares]
    assert [sum(shares) for shares in expected] == [amount for amount, _, _ in given_groups]


@settings(max_examples=25)
@given(groups())
def test_a_part_is_less_than_one_unit_away_from_its_share(group):
    amount, weights, places = group
    total = sum(weights)
    for part, weight in zip(allocate(*group), weights, strict=True):
        if total:
            assert abs(part * total - amount * weight) < abs(total) * D(1).scaleb(-places)


@pytest.mark.parametrize(
    ("amount", "weights", "places", "parts"),
    [
        ("0.05", ["1", "1", "1"], 2, ["0.02", "0.02", "0.01"]),
        ("1.00", ["3.33", "3.33", "3.34"], 2, ["0.33", "0.33", "0.34"]),
        ("5", ["1", "1", "1"], 0, ["2", "2", "1"]),
        ("-0.05", ["1", "1"], 2, ["-0.03", "-0.02"]),
        ("0.0005", ["1", "1"], 4, ["0.0003", "0.0002"]),
        ("1.00", ["0", "0"], 2, ["0.50", "0.50"]),
        ("0.02", ["0", "1", "0"], 2, ["0", "0.02", "0"]),
        ("10.00", ["-10", "-30"], 2, ["2.50", "7.50"]),
    ],
)
def test_each_rule_by_example(amount, weights, places, parts):
    group = (D(amount), [D(weight) for weight in weights], places)
    assert allocate(*group) == [D(part) for part in parts]
    assert allocated(frame([group]), by=["group"])["share"].to_list() == allocate(*group)


def test_weights_that_would_overflow_are_refused_in_a_sentence():
    weights = [D("1000000000000000000.000000000000000001"), D(1)]
    with pytest.raises(UsageError, match="nothing was allocated"):
        allocated(frame([(D(10) ** 18, weights, 2)]), by=["group"])


def test_an_amount_without_lines_is_refused():
    with pytest.raises(UsageError, match="no line"):
        allocate(D(1), [], 2)
