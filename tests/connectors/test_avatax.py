"""The client of AvaTax against a server that follows its API: answers, faults, and repeats."""

import json
from decimal import Decimal

import pytest

from connectors.avatax import AvaTax
from meterhouse.canonical import canonical_json
from meterhouse.errors import SourceRejected, SourceUnavailable
from meterhouse.tax_settings import TaxEngineSettings
from tests.servers import avatax


@pytest.fixture
def api():
    with avatax.serving(avatax.Avatax()) as api:
        yield api


def client(api, key=avatax.KEY, **settings):
    settings = {"attempts": 2, "timeout_seconds": 1} | settings
    place = TaxEngineSettings(url=api.url, company="HOUSE", **settings)
    return AvaTax("avatax", place, avatax.ACCOUNT, key)


def question(city="Seattle", region="WA", kind="invoice", amount="10.05", **line):
    address = {"line1": "2 Elm St", "city": city, "region": region, "country": "US"}
    own = {"amount": amount, "category": "standard", "code": None, "description": "Tokens"}
    return canonical_json(
        {
            "buyer": {"address": address, "exemptions": None, "id": "acme", "tax_ids": []},
            "currency": "USD",
            "date": "2026-01-01",
            "kind": kind,
            "lines": [own | {"line_no": 1, "tax_on": None} | line],
            "seller": {"address": address, "id": "house", "tax_ids": []},
        }
    )


def test_an_estimate_has_a_row_per_jurisdiction_and_keeps_nothing(api):
    answer = json.loads(client(api).ask(question()))
    [line] = answer["lines"]
    assert [(one["name"], one["rate"], one["tax"]) for one in line["taxes"]] == [
        ("WA STATE TAX (WASHINGTON)", "0.065", "0.65"),
        ("WA COUNTY TAX (KING)", "0.014", "0.14"),
        ("WA CITY TAX (SEATTLE)", "0.0215", "0.22"),
    ]
    assert api.kept == {}


def test_amounts_go_and_come_with_all_their_digits(api):
    amount = "12345678901234567.89"
    answer = json.loads(client(api).ask(question(amount=amount)))
    assert api.bodies("SalesOrder")[0]["lines"][0]["amount"] == Decimal(amount)
    assert {one["base"] for one in answer["lines"][0]["taxes"]} == {amount}


def test_a_price_that_holds_its_taxes_is_told_as_one(api):
    answer = json.loads(client(api).ask(question(amount="11.06", price_holds_tax=True)))
    [line] = api.bodies("SalesOrder")[0]["lines"]
    assert (line["taxIncluded"], line["amount"]) == (True, Decimal("11.06"))
    taxes = answer["lines"][0]["taxes"]
    assert {one["base"] for one in taxes} == {"10.05"}
    assert sum(Decimal(one["tax"]) for one in taxes) == Decimal("1.01")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (avatax.status(500), "was answered with 500"),
        (avatax.status(429, Retry_After="100000"), "the request to wait 100000 s"),
        (avatax.never, "was not answered within 1 s"),
        (avatax.cut, "was cut: its JSON ends too early"),
    ],
)
def test_what_may_pass_is_asked_again_and_then_told(api, fault, says):
    api.faults = {1: fault}
    if "100000" not in says:
        assert client(api).ask(question())
    api.always = fault
    with pytest.raises(SourceUnavailable, match=says):
        client(api).ask(question())


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (avatax.without_a_line, None),
        (lambda handler: handler.answer(b"<html>", 200), "is not JSON"),
        (lambda handler: handler.answer({"totalTax": 1}), "came back without lines"),
        (lambda handler: handler.answer({"totalTax": Decimal(1), "lines": []}), "do not add up"),
    ],
)
def test_an_answer_that_is_none_is_refused(api, fault, says):
    api.always = fault
    if says is None:  # Which lines a question had is for its asker to compare.
        assert json.loads(client(api).ask(question())) == {"lines": []}
        return
    with pytest.raises(SourceRejected, match=says):
        client(api).ask(question())
    assert len(api.seen) == 1


def test_a_wrong_key_is_told_without_the_key(api):
    with pytest.raises(SourceRejected, match="check the secret in AVATAX_LICENSE_KEY") as error:
        client(api, key="wr0ng-key").ask(question())
    assert "wr0ng-key" not in str(error.value)


def test_what_avatax_says_of_an_address_is_told(api):
    with pytest.raises(SourceRejected, match="InvalidAddress: 'The address is not deliverable"):
        client(api).ask(question(city="Nowhere"))


def test_a_document_is_committed_once_whatever_was_lost_on_the_way(api):
    engine = client(api)
    engine.record(question(), "H-1", "1.01")
    engine.record(question(), "H-1", "1.01")
    assert (api.kept["H-1"]["status"], api.kept["H-1"]["totalTax"]) == (
        "Committed",
        Decimal("1.01"),
    )
    verbs = [path.split("?")[0].rsplit("/", 1)[-1] for _, path, _ in api.seen]
    assert verbs == ["create", "commit", "create", "H-1"]
    with pytest.raises(SourceRejected, match=r"has tax 1\.01 there and 1\.02 here"):
        engine.record(question(), "H-1", "1.02")


def test_a_void_is_safe_to_repeat_and_to_give_for_what_is_not_there(api):
    engine = client(api)
    engine.void("invoice", "H-9")
    engine.record(question(kind="credit_note", amount="-10.05"), "H-2", "-1.01")
    assert api.kept["H-2"]["type"] == "ReturnInvoice"
    engine.void("credit_note", "H-2")
    engine.void("credit_note", "H-2")
    assert api.kept["H-2"]["status"] == "Cancelled"
    with pytest.raises(SourceRejected, match="is cancelled there"):
        engine.record(question(kind="credit_note", amount="-10.05"), "H-2", "-1.01")
