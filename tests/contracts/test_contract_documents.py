from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from meterhouse.contracts.documents import Contract
from meterhouse.contracts.items import Item
from meterhouse.contracts.prices import Graduated, PerUnit, Price

FEE = {"id": "seat", "description": "Seat", "price": {"model": "flat", "amount": "9.90"}}
USAGE = {
    "id": "calls",
    "description": "Calls",
    "meter": "calls",
    "price": {"model": "per_unit", "unit_amount": 1},
}
CONTRACT = {
    "customer": "c",
    "entity": "e",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "start": "2024-01-31",
    "payment_terms": "net30",
    "items": [FEE],
}


def price(**fields):
    return TypeAdapter(Price).validate_python(fields)


def tiers(*bounds):
    return [{"up_to": bound, "unit_amount": "0.10"} for bound in bounds]


def test_a_fee_is_billed_once_in_advance_unless_it_says_otherwise():
    item = Item.model_validate(FEE).model_dump(mode="json")
    assert (item["timing"], item["quantity"], item["meter"]) == ("advance", "1", None)
    assert item["price"] == {"model": "flat", "amount": "9.9"}
    assert item["prorate"] == {"start": True, "end": True}
    assert Item.model_validate({**FEE, "timing": "arrears"}).timing == "arrears"


def test_usage_is_billed_in_arrears_and_has_no_quantity_of_its_own():
    item = Item.model_validate(USAGE).model_dump(mode="json")
    assert (item["timing"], item["quantity"]) == ("arrears", None)
    assert item["price"] == {"model": "per_unit", "unit_amount": "1", "per": "1"}


def test_tiers_have_all_defaults_in_their_content():
    graduated = price(model="graduated", tiers=tiers("100", None))
    assert graduated.model_dump(mode="json") == {
        "model": "graduated",
        "tiers": [
            {"up_to": "100", "unit_amount": "0.1", "flat_amount": "0"},
            {"up_to": None, "unit_amount": "0.1", "flat_amount": "0"},
        ],
        "bill_flat_on_zero": True,
    }


def test_the_anchor_is_the_day_of_the_start_and_the_payer_the_customer():
    contract = Contract.model_validate(CONTRACT)
    assert (contract.anchor_day, contract.payer) == (31, "c")


@pytest.mark.parametrize(
    ("unit_amount", "per", "decimals"),
    [("3", "1000000", 6), ("0.50", "1", 1), ("1500", "100", 0), ("0.000001", "1000000", 12)],
)
def test_the_decimals_of_a_price_are_those_of_one_unit(unit_amount, per, decimals):
    assert PerUnit(model="per_unit", unit_amount=unit_amount, per=per).decimals == decimals


def test_the_decimals_of_tiers_are_those_of_the_finest():
    graduated = Graduated.model_validate(
        {
            "model": "graduated",
            "tiers": [{"up_to": 1, "unit_amount": "0.25"}, {"unit_amount": "0.125"}],
        }
    )
    assert graduated.decimals == 3
    assert graduated.tiers[0].up_to == Decimal(1)


REFUSED_PRICES = {
    "a float": ({"model": "flat", "amount": 0.1}, "is a decimal"),
    "a negative amount": ({"model": "flat", "amount": "-1"}, "must not be negative"),
    "thirteen decimals": ({"model": "flat", "amount": "0.0000000000001"}, "more than 12 decimals"),
    "a unit too fine": (
        {"model": "per_unit", "unit_amount": "0.0000001", "per": "1000000"},
        "has 13 decimals",
    ),
    "a per that is no power of ten": (
        {"model": "per_unit", "unit_amount": "1", "per": "500"},
        "power of ten",
    ),
    "a per below one": ({"model": "per_unit", "unit_amount": "1", "per": "0.1"}, "power of ten"),
    "no tiers": ({"model": "graduated", "tiers": []}, "at least 1 item"),
    "a closed last tier": ({"model": "graduated", "tiers": tiers("100")}, "must be open"),
    "an open first tier": ({"model": "graduated", "tiers": tiers(None, None)}, "must be open"),
    "falling bounds": ({"model": "graduated", "tiers": tiers("9", "5", None)}, "must rise"),
    "equal bounds": ({"model": "graduated", "tiers": tiers("9", "9.0", None)}, "must rise"),
    "a bound of zero": ({"model": "graduated", "tiers": tiers("0", None)}, "greater than 0"),
    "an unknown model": ({"model": "stairs"}, "does not match any of the expected tags"),
    "no model": ({"amount": "1"}, "Unable to extract tag"),
}


@pytest.mark.parametrize("case", REFUSED_PRICES)
def test_a_price_is_refused_for(case):
    fields, sentence = REFUSED_PRICES[case]
    with pytest.raises(ValidationError, match=sentence):
        price(**fields)


REFUSED_ITEMS = {
    "usage in advance": ({**USAGE, "timing": "advance"}, "billed in arrears"),
    "usage without a meter": ({**USAGE, "meter": None}, "needs a `meter`"),
    "usage with a quantity": ({**USAGE, "quantity": "2"}, "no `quantity` of its own"),
    "a fee with a meter": ({**FEE, "meter": "calls"}, "no `meter`"),
    "a fee without a quantity": ({**FEE, "quantity": None}, "has a `quantity`"),
    "a negative quantity": ({**FEE, "quantity": "-1"}, "must not be negative"),
    "a fortnightly cadence": ({**FEE, "cadence": "fortnightly"}, "monthly"),
}


@pytest.mark.parametrize("case", REFUSED_ITEMS)
def test_an_item_is_refused_for(case):
    fields, sentence = REFUSED_ITEMS[case]
    with pytest.raises(ValidationError, match=sentence):
        Item.model_validate(fields)


REFUSED_CONTRACTS = {
    "no items": ({"items": []}, "at least 1 item"),
    "items of one id": ({"items": [FEE, FEE]}, "more than once: seat"),
    "an end on its start": ({"end": "2024-01-31"}, "must be later than"),
    "an anchor beyond a month": ({"anchor_day": 32}, "less than or equal to 31"),
    "an unknown zone": ({"zone": "Europe/Berln"}, "did you mean `Europe/Berlin`"),
    "an unknown currency": ({"currency": "EUX"}, "ISO 4217"),
    "a date in other words": ({"start": "31.01.2024"}, "YYYY-MM-DD"),
}


@pytest.mark.parametrize("case", REFUSED_CONTRACTS)
def test_a_contract_is_refused_for(case):
    fields, sentence = REFUSED_CONTRACTS[case]
    with pytest.raises(ValidationError, match=sentence):
        Contract.model_validate({**CONTRACT, **fields})
