"""What modifiers of items and contracts may say, and the sentences for what they may not."""

import pytest
from pydantic import ValidationError

from meterhouse.contracts.documents import Contract

BASE = {
    "customer": "c",
    "entity": "us",
    "currency": "USD",
    "zone": "UTC",
    "start": "2025-01-01",
    "payment_terms": "net30",
}
API = {
    "id": "api",
    "description": "API",
    "meter": "tokens",
    "price": {"model": "per_unit", "unit_amount": "1"},
}
BY_EVENT = {"model": "percentage", "rate": "0.1", "fixed_amount": "1"}
MONEY = {"id": "g", "amount": "5"}
REFUSED = {
    "a credit that is backwards": (
        *({}, {"credits": [{**MONEY, "effective": "2025-02-01", "expires": "2025-02-01"}]}),
        "must be later than `effective`",
    ),
    "a commitment of nothing": ({}, {"commitments": [{"id": "k"}]}, "either an `amount` or"),
    "a ramp of windows": (
        *({}, {"commitments": [{"id": "k", "amounts": ["1", "2"], "period": "window"}]}),
        "`amounts` are for quarters or years",
    ),
    "a term without end": (
        *({}, {"commitments": [{**MONEY, "period": "term"}]}),
        "commitment 'g' is for the term",
    ),
    "an id of an item": ({}, {"credits": [{**MONEY, "id": "api"}]}, "have the same ids: api"),
    "an id twice": ({}, {"credits": [MONEY, MONEY]}, "used more than once: g"),
    "an unknown item": ({}, {"credits": [{**MONEY, "items": ["x"]}]}, "does not have: x"),
    "an unread meter": (
        *({}, {"pools": [{"id": "p", "quantity": "5", "meters": ["x"]}]}),
        "none of its items reads: x",
    ),
    "a discount without id": ({}, {"discounts": [{"amount": "5"}]}, "needs an `id`"),
    "a discount of nothing": ({"discounts": [{}]}, {}, "either a `percentage` or an `amount`"),
    "a fee of two kinds": (
        *({}, {"service_fee": {"amount": "1", "percentage": "0.1"}}),
        "either a `percentage` or an `amount`",
    ),
    "days backwards": (
        {"discounts": [{"amount": "5", "from": "2025-02-01", "until": "2025-02-01"}]},
        *({}, "must be later than `from`"),
    ),
    "limits crossed": (
        {"minimum": {"amount": "5"}, "maximum": {"amount": "4"}},
        *({}, "`minimum` is more than `maximum`"),
    ),
    "a percent number": ({"discounts": [{"percentage": "10"}]}, {}, "write '0.19' for 19 %"),
}


def contract(item, whole, **changes):
    """A contract with modifiers of its one item and of its own, as the book gives it."""
    items = [{**API, **({"modifiers": item} if item else {}), **changes}]
    return {**BASE, "items": items, **({"modifiers": whole} if whole else {})}


def test_a_minimum_of_a_contract_has_one_period():
    yearly = {**API, "id": "yearly", "cadence": "yearly"}
    several = contract({}, {"minimum": {"amount": "5"}}) | {"items": [API, yearly]}
    with pytest.raises(ValidationError, match="give it a `period`"):
        Contract.model_validate(several)
    several["modifiers"]["minimum"]["period"] = "quarter"
    with pytest.raises(ValidationError, match=r"not known when that is over: yearly; give it a"):
        Contract.model_validate(several)
    several["modifiers"]["minimum"]["period"] = "year"
    assert Contract.model_validate(several).modifiers.minimum.period == "year"


@pytest.mark.parametrize("case", REFUSED)
def test_a_contract_is_refused_for(case):
    item, whole, sentence = REFUSED[case]
    with pytest.raises(ValidationError, match=sentence):
        Contract.model_validate(contract(item, whole))


def test_the_quantity_of_single_events_cannot_be_changed():
    with pytest.raises(ValidationError, match="change the quantity of a meter"):
        Contract.model_validate(contract({"free_quantity": "5"}, {}, price=BY_EVENT))
    assert Contract.model_validate(contract({"minimum": {"amount": "5"}}, {}, price=BY_EVENT))


def test_a_contract_with_modifiers_is_read_back_as_it_was_written():
    item = {"discounts": [{"percentage": "0.1", "from": "2025-01-01"}]}
    whole = {"commitments": [{"id": "k", "amount": "5"}], "service_fee": {"percentage": "0.02"}}
    written = Contract.model_validate(contract(item, whole))
    text = written.model_dump_json(by_alias=True)
    assert '"discounts":[{"percentage":"0.1","from":"2025-01-01"}]' in text
    assert Contract.model_validate_json(text) == written


def test_a_contract_without_modifiers_says_nothing_of_them():
    assert "modifiers" not in Contract.model_validate(contract({}, {})).model_dump_json()
