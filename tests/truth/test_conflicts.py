"""One event with two contents blocks the windows it falls into, until somebody decides."""

from decimal import Decimal

import pytest

from meterhouse.run.conflicts import resolve
from tests.truth.events import request
from tests.truth.harness import MONTHS

pytestmark = [pytest.mark.slow]
FIRST = request("k", "twin", "2025-09-12T12:00:00Z", 100_000)
# The other version lies in October: both windows are in doubt.
OTHER = request("k", "twin", "2025-10-12T12:00:00Z", 300_000)
RIVAL = request("m", "berlin", "2025-10-05T12:00:00Z", 1, region="eu", cached=False)


def contested(home):
    """Twin's event in two versions; the reference of the conflict."""
    home.load([FIRST, RIVAL])
    (loaded,) = home.load([OTHER])
    assert (loaded.accepted, loaded.conflict) == (0, 1)
    return home.rows("select batch_seq, row_no from facts.conflicts")[0]


def twin(home):
    """Amount of Twin's windows by their month."""
    return {key[2].month: amount for key, amount in home.sums().items() if key[0] == "twin-tokens"}


def test_a_conflict_holds_back_the_drafts_of_its_windows_and_no_other(home):
    contested(home)
    done = home.issue(MONTHS[1])
    assert {name for name, _, _ in done.failed} == {"conflicts_are_resolved"}
    assert {kind for _, kind, _ in done.failed} == {"window"}
    assert len(done.failed) == 2
    assert set(done.held) == {"twin-tokens"}
    assert "conflicts list" in done.held["twin-tokens"]
    assert {"alpha-main", "berlin-main", "gurung-main", "sato-main"} <= done.billed
    assert twin(home) == {}


@pytest.mark.parametrize(
    ("decision", "wanted"),
    [("kept_first", {9: Decimal(10)}), ("took_new", {10: Decimal(30)})],
)
def test_a_decision_ends_the_conflict(home, decision, wanted):
    reference = contested(home)
    home.issue(MONTHS[1])
    resolve(home.lake, [reference], decision, "asked the customer")
    assert home.load([OTHER]) == []  # The same file again is passed over.
    done = home.issue(MONTHS[1])
    assert (done.failed, done.held) == (set(), {})
    assert twin(home) == wanted
