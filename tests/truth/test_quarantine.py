"""A record that is not good waits, counted, and is late usage once the book knows it."""

from decimal import Decimal

import pytest

from meterhouse.errors import UsageError
from meterhouse.run.quarantine import refuse
from tests.truth.events import request
from tests.truth.harness import MONTHS

pytestmark = [pytest.mark.slow]
SEPTEMBER = "2025-09-12T12:00:00Z"
NEWCOMER = {
    "kind": "customer",
    "id": "newcomer",
    "name": "Newcomer",
    "tax": {"treatment": "exempt", "reason": "Charity"},
}
CONTRACT = {
    "kind": "contract",
    "id": "newcomer-main",
    "customer": "newcomer",
    "entity": "us",
    "currency": "USD",
    "zone": "America/New_York",
    "start": "2025-09-01",
    "payment_terms": "net30",
    "items": [
        {
            "id": "tokens",
            "description": "Tokens",
            "meter": "tokens",
            "price": {"model": "per_unit", "unit_amount": "0.01"},
        }
    ],
}


def test_usage_of_a_customer_who_comes_later_is_released_as_late_usage(home):
    good = request("g", "twin", SEPTEMBER, 10_000)
    (loaded,) = home.load([good, request("q", "newcomer", SEPTEMBER, 500)])
    assert (loaded.accepted, loaded.quarantined) == (1, 1)
    done = home.issue(MONTHS[0])
    assert done.failed == set()
    assert done.issued.numbers
    book = home.record(NEWCOMER, CONTRACT)

    released = home.issue(MONTHS[0])
    (batch,) = released.loaded
    assert (batch.received, batch.released, batch.accepted) == (0, 1, 1)
    assert batch.batch_seq > book
    assert released.failed == set()
    assert released.billed == {"newcomer-main"}
    amounts = {key[0]: amount for key, amount in home.sums().items()}
    assert amounts["newcomer-main"] == Decimal(5)


def test_what_is_refused_for_good_is_not_tried_again(home):
    (loaded,) = home.load([request("q", "newcomer", SEPTEMBER, 500)])
    reference = f"{loaded.batch_seq}-1"
    refuse(home.lake, [reference], "a test account")
    home.record(NEWCOMER, CONTRACT)
    done = home.issue(MONTHS[0])
    assert done.loaded == []
    assert done.failed == set()
    assert "newcomer-main" not in {key[0] for key in home.sums()}
    with pytest.raises(UsageError, match="nothing was refused"):
        refuse(home.lake, [reference], "again")


def test_the_same_bad_record_in_another_file_is_a_duplicate(home):
    bad = request("q", "newcomer", SEPTEMBER, 500)
    home.load([bad])
    (again,) = home.load([bad, request("g", "twin", SEPTEMBER, 1)])
    assert (again.received, again.accepted, again.duplicate, again.quarantined) == (2, 1, 1, 0)
    assert home.rows("select count(*) from facts.rejected_events") == [(1,)]
