import json
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from meterhouse.contracts.items import Item
from meterhouse.pricing.scalar import charge
from tests.pricing.parted import event, lines, month_of
from tests.pricing.prices import prices, scaled

FEES = ("graduated", "volume", "package", "stairstep", "overage", "per_unit")
GRADUATED = {
    "model": "graduated",
    "bill_flat_on_zero": True,
    "tiers": [
        {"up_to": "10", "unit_amount": "10", "flat_amount": "0"},
        {"up_to": None, "unit_amount": "8", "flat_amount": "0"},
    ],
}
SQUARE = {"model": "formula", "formula": "quantity * quantity", "constants": {}, "quantities": {}}
_QUOTIENT = Context(prec=96, rounding=ROUND_HALF_EVEN)


def fee(price, quantity, **fields):
    known = {"component": "fee", "timing": "advance", "meter_id": None, **fields}
    return month_of([], [price], [quantity], **known)[0]


def item(**said):
    return Item.model_validate({"id": "seats", "description": "Seats", **said})


@settings(max_examples=40)
@given(st.data(), st.integers(0, 31), st.sampled_from(FEES))
def test_a_fee_costs_its_share_of_what_the_obvious_charge_says(data, days, model):
    price = data.draw(prices(model, 6))
    quantity, above = data.draw(scaled(0, 500, 2)), data.draw(scaled(0, 20, 0))
    row = fee(price, quantity, share_numerator=days, share_denominator=31, above_quantity=above)
    with localcontext(prec=60):
        full = charge(price, quantity + above) - (charge(price, above) if above else 0)
        wanted = _QUOTIENT.divide(full * days, Decimal(31)).quantize(Decimal("1E-18"))
        found = lines([row]).row(0, named=True)
        assert found["amount_unrounded"] == wanted
        assert found["quantity"] == quantity
        told = sum((Decimal(step["amount"]) for step in json.loads(found["steps"])), Decimal(0))
        assert told == wanted


@pytest.mark.parametrize(
    ("price", "wanted"),
    [(GRADUATED, "140"), ({**GRADUATED, "model": "volume"}, "120"), (SQUARE, "225")],
)
def test_seats_have_tiers_like_usage(price, wanted):
    assert lines([fee(price, "15")])["amount"].to_list() == [Decimal(wanted)]


def test_a_part_of_a_fee_is_not_a_part_of_its_tiers():
    half = fee(GRADUATED, "15", share_numerator=1, share_denominator=2)
    assert lines([half])["amount"].to_list() == [Decimal(70)]


def test_what_a_change_leaves_unused_goes_back_of_the_tiered_amount():
    row = fee(
        GRADUATED, "15", share_numerator=31, share_denominator=31,
        credit_numerator=16, credit_denominator=31, credit_basis="billed",
    )  # fmt: skip
    found = lines([row]).row(0, named=True)
    assert found["amount"] == Decimal("67.74")
    assert [step["step"] for step in json.loads(found["steps"])] == ["tier", "tier", "unused"]


def test_quantities_above_those_that_were_charged_have_the_tiers_above_them():
    # 5 more than 8: two at 10, three at 8.
    assert lines([fee(GRADUATED, "5", above_quantity=Decimal(8))])["amount"].to_list() == [44]


def test_fees_and_usage_of_one_model_are_rated_side_by_side():
    usage = month_of([], [SQUARE], ["3"])[0] | {"window_id": "u", "item_id": "u"}
    rows = [usage, fee(SQUARE, "4"), fee(GRADUATED, "1", item_id="g") | {"window_id": "g"}]
    found = lines(rows, {"u": [event("3")]})
    assert dict(found.select("window_id", "amount").iter_rows()) == {"u": 9, "0": 16, "g": 10}


def test_an_item_without_a_meter_is_a_fee_in_advance_unless_it_says_arrears():
    assert item(price=GRADUATED, quantity="5").timing == "advance"
    assert item(price=GRADUATED, quantity="5", timing="arrears").timing == "arrears"
    assert item(price=GRADUATED, meter="m").timing == "arrears"
    assert item(price={"model": "flat", "amount": "1"}).quantity == 1
    later = {"from": "2024-02-01", "price": {"model": "flat", "amount": "1"}}
    assert item(price=GRADUATED, quantity="5", prices=[later]).prices is not None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"price": GRADUATED}, "needs a `meter`, and a fee"),
        ({"price": GRADUATED, "meter": "m", "quantity": "5"}, "remove one of them"),
        ({"price": {"model": "bps", "bps": "25"}, "quantity": "5"}, "`bps` reads a meter"),
        (
            {"price": {"model": "per_unit", "unit_amount": "0.0000000001"},
             "quantity": "0.123456"},
            "16 decimals together",
        ),
        (
            {"price": GRADUATED, "quantity": "5",
             "prices": [{"from": "2024-02-01", "price": {"model": "dynamic"}}]},
            "`dynamic` reads a meter",
        ),
        (
            {"price": {**SQUARE, "formula": "eu", "quantities": {"eu": {"r": "eu"}}},
             "quantity": "5"},
            "read the dimensions of a meter",
        ),
        (
            {"price": GRADUATED, "meter": "m",
             "prices": [{"from": "2024-02-01", "price": {"model": "flat", "amount": "1"}}]},
            "turn usage into a fee",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_a_fee_is_refused_with_a_sentence(said, words):
    with pytest.raises(ValidationError) as caught:
        item(**said)
    assert words in str(caught.value)


def test_an_older_fee_is_said_as_it_was():
    said = item(price={"model": "flat", "amount": "1"}).model_dump(mode="json", by_alias=True)
    assert (said["quantity"], said["timing"], said["meter"]) == ("1", "advance", None)
