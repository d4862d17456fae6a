"""A line says what a reader asks: which contract, which days went back, what was charged before."""

import copy

import pytest

from meterhouse.rendering.presentation import Presentation
from meterhouse.rendering.printable import printable


def printed(golden, locale="en-US", **fields):
    """The first line of a document when it says these things."""
    content = copy.deepcopy(golden[0])
    content["lines"][0] |= fields
    return printable(content, Presentation(locale)).lines[0]


def test_days_that_went_back_are_told_apart_from_days_that_were_charged(golden):
    days = {"amount": "1", "days": "10", "period_days": "31"}
    charged = printed(golden, steps=[{"step": "fee", **days}])
    unused = printed(golden, steps=[{"step": "unused", **days}])
    assert charged.notes == ("10 of 31 days",)
    assert unused.notes == ("less 10 of 31 days",)
    german = printed(golden, "de-DE", steps=[{"step": "unused", **days}])
    assert german.notes == ("abzüglich 10 von 31 Tagen",)


def test_a_line_names_its_contract_only_where_a_document_has_several(golden):
    content = copy.deepcopy(golden[0])
    content["lines"] = [
        {**content["lines"][0], "contract": id, "dimensions": {}} for id in ("east", "west")
    ]
    both = printable(content, Presentation("en-US")).lines
    assert [one.dimensions for one in both] == ["Contract: east", "Contract: west"]
    del content["lines"][0]
    assert printable(content, Presentation("en-US")).lines[0].dimensions == ""


@pytest.mark.parametrize(("component", "told"), [("discount", ""), ("usage", "item: seats")])
def test_a_discount_whose_text_names_its_item_does_not_name_it_twice(golden, component, told):
    content = copy.deepcopy(golden[0])
    line = {**content["lines"][0], "component": component, "dimensions": {"item": "seats"}}
    content["lines"] = [line]
    assert printable(content, Presentation("en-US")).lines[0].dimensions == told


def test_what_was_charged_before_is_said_in_words(golden):
    tier = {"amount": "9", "flat_amount": "0", "from": "0", "quantity": "9", "to": None}
    steps = [
        {"step": "tier", "unit_amount": "1", **tier},
        {"step": "charged_before", **tier, "amount": "-4"},
    ]
    first, before = printed(golden, steps=steps).tiers
    assert (first.units, first.amount) == ("over 0", "9.00")
    assert (before.units, before.quantity, before.amount) == ("charged before", "", "-4.00")


def test_tiers_that_are_not_printed_are_not_pointed_at(golden):
    price = {"model": "bulk_bps", "tiers": [{"up_to": None, "bps": "25"}]}
    rate = {"amount": "9", "quantity": "3600", "rate": "0.0025", "step": "rate"}
    assert printed(golden, price=price, steps=[rate]).unit_price == ""
    assert printed(golden, price={"model": "bps", "bps": "25"}, steps=[rate]).unit_price == "0.25%"
