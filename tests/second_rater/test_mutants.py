"""What the second rater catches: faults planted into the first, one at a time."""

import pytest
from polars.exceptions import PolarsError

from meterhouse.errors import MeterhouseError
from tests.second_rater.cases import cases, first_amounts, of_model, second_amounts
from tests.second_rater.mutants import MUTANTS, planted

CAUGHT = [one for one in MUTANTS if not one.why]
EQUIVALENT = [one for one in MUTANTS if one.why]


@pytest.fixture(scope="module")
def both():
    """The fixed windows, and what the second rater makes of them."""
    given = cases()
    amounts, left_out = second_amounts(given)
    assert left_out == {}
    return given, amounts


def differing(both, model=""):
    """Windows that the two rate otherwise; all of them where the first does not get through. Where
    a model is named, only windows of its contracts are rated."""
    given, second = both
    try:
        first = first_amounts(of_model(given, model))
    except (MeterhouseError, PolarsError):
        return set(second)
    return {window for window, amount in first.items() if second[window] != amount}


def test_without_a_fault_no_window_differs(both):
    assert len(both[1]) == both[0].windows.height
    assert differing(both) == set()


def names(mutants):
    return [f"{number}-{one.module}" for number, one in enumerate(mutants)]


@pytest.mark.parametrize("mutant", CAUGHT, ids=names(CAUGHT))
def test_a_fault_in_the_first_rater_is_seen(both, mutant, monkeypatch):
    planted(mutant, monkeypatch)
    assert differing(both, mutant.model), f"{mutant.old!r} -> {mutant.new!r} was not caught"


@pytest.mark.parametrize("mutant", EQUIVALENT, ids=names(EQUIVALENT))
def test_a_change_that_nothing_can_tell_is_no_fault(both, mutant, monkeypatch):
    planted(mutant, monkeypatch)
    assert differing(both, mutant.model) == set(), (
        f"{mutant.old!r} can be told: {mutant.why!r} is wrong"
    )
