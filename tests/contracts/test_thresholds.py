"""What a contract may say of thresholds."""

import pytest
from pydantic import ValidationError

from meterhouse.contracts.documents import Contract

CONTRACT = {
    "customer": "acme",
    "entity": "us",
    "currency": "USD",
    "zone": "UTC",
    "start": "2025-01-01",
    "payment_terms": "net30",
}
USAGE = {
    "id": "calls",
    "description": "Calls",
    "meter": "calls",
    "price": {"model": "per_unit", "unit_amount": "1"},
}
FEE = {"id": "seat", "description": "Seat", "price": {"model": "flat", "amount": "31"}}


def contract(thresholds, *items):
    return Contract.model_validate(CONTRACT | {"items": [*items], "thresholds": thresholds})


def test_what_is_not_said_is_not_in_the_document():
    said = contract({"every": "300"}, USAGE).model_dump(mode="json")
    assert said["thresholds"] == {"every": "300"}
    assert "thresholds" not in contract(None, USAGE).model_dump(mode="json")


@pytest.mark.parametrize(
    ("thresholds", "items", "sentence"),
    [
        ({}, [USAGE], "`thresholds` need `amounts`, `every` or both"),
        ({"amounts": ["200", "100"]}, [USAGE], "must rise: 100 comes after 200"),
        ({"amounts": ["100", "100"]}, [USAGE], "must rise: 100 comes after 100"),
        ({"every": "0"}, [USAGE], "every"),
        ({"every": "10"}, [FEE], "none of its items reads a meter: remove them"),
    ],
)
def test_thresholds_that_cannot_hold_are_refused(thresholds, items, sentence):
    with pytest.raises(ValidationError, match=sentence):
        contract(thresholds, *items)
