"""What the second rater catches: faults planted into the first, one at a time."""

from pathlib import Path

import pytest
from polars.exceptions import PolarsError

from meterhouse.errors import MeterhouseError
from tests.second_rater.cases import cases, first_amounts, of_models, second_amounts
from tests.second_rater.mutants import MUTANTS, planted, table

ROOT = Path(__file__).parents[2]
CAUGHT = [one for one in MUTANTS if not one.why]
EQUIVALENT = [one for one in MUTANTS if one.why]


@pytest.fixture(scope="module")
def both():
    """The fixed windows, and what the second rater makes of them."""
    given = cases()
    amounts, left_out = second_amounts(given)
    assert left_out == {}
    return given, amounts


def differing(given, second):
    """Lines that the two rate otherwise; all of them where the first does not get through."""
    mine = set(given.windows["window_id"])
    known = {name: amount for name, amount in second.items() if name.split("/")[0] in mine}
    try:
        first = first_amounts(given)
    except (MeterhouseError, PolarsError):
        return set(known)
    return {name for name in {*first, *known} if first.get(name, 0) != known.get(name, 0)}


def test_without_a_fault_no_window_differs(both):
    assert len(both[1]) > both[0].windows.height
    assert differing(*both) == set()


def names(mutants):
    return [f"{number}-{one.module}" for number, one in enumerate(mutants)]


@pytest.mark.parametrize("mutant", CAUGHT, ids=names(CAUGHT))
def test_a_fault_in_the_first_rater_is_seen(both, mutant, monkeypatch):
    given, second = both
    planted(mutant, monkeypatch)
    assert differing(of_models(given, mutant.models), second), (
        f"{mutant.old!r} -> {mutant.new!r} was not caught"
    )


@pytest.mark.parametrize("mutant", EQUIVALENT, ids=names(EQUIVALENT))
def test_a_change_that_nothing_can_tell_is_no_fault(both, mutant, monkeypatch):
    given, second = both
    planted(mutant, monkeypatch)
    assert differing(of_models(given, mutant.models), second) == set(), (
        f"{mutant.old!r} can be told: {mutant.why!r} is wrong"
    )


def test_the_page_lists_what_is_planted_here():
    assert table() in (ROOT / "docs/second-rater.md").read_text()
