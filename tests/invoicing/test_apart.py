"""Which corrections are on a credit note of their own, what stays together, and what is told."""

import json
from datetime import date
from decimal import Decimal

import pytest

from meterhouse.invoicing.difference import difference
from meterhouse.invoicing.document import canonical
from meterhouse.invoicing.drafts import drafts, gathered

MARCH, APRIL, MAY = date(2024, 3, 1), date(2024, 4, 1), date(2024, 5, 1)
NOTED, NEXT = {"ent": "credit_note"}, {"ent": "next_invoice"}


@pytest.fixture
def told(desired, nothing_billed, bill, customers, entities, terms, series, meters):
    """What was billed in April and is due in May: by kind, the net and each line's reason."""

    def make(before, after, decreases):
        known = bill(difference(desired(*before), nothing_billed, APRIL))
        lines = gathered(difference(desired(*after), known, MAY), (), decreases)
        heads, own = drafts(lines, customers(), entities, terms, series())
        assert heads["draft_id"].is_unique().all()
        found = {}
        for text in canonical(heads, own, customers(), entities, meters)["content"]:
            one = json.loads(text)
            found.setdefault(one["kind"], []).append(
                (
                    one["net"],
                    {
                        (line["item"], line["amount"], (line["correction"] or {}).get("reason"))
                        for line in one["lines"]
                    },
                )
            )
        return found

    return make


@pytest.fixture
def march(window):
    """A window of March; `calls` 10.00 if nothing else is said."""

    def make(amount="10", **changes):
        return window(Decimal(amount), MARCH, APRIL, **changes)

    return make


@pytest.fixture
def april(window):
    return window(Decimal(5), APRIL, MAY)


def test_a_decrease_is_on_a_note_of_its_own_and_names_why(told, march, april):
    less = march("8", quantity=Decimal(6))
    found = told([march()], [less, april], NOTED)
    assert found == {
        "invoice": [("5.00", {("calls", "5.00", None)})],
        "credit_note": [("-2.00", {("calls", "-2.00", "corrected_usage")})],
    }
    # Where it goes onto the next invoice, that says why as well; without a choice nothing is said.
    both = {("calls", "5.00", None), ("calls", "-2.00", "corrected_usage")}
    assert told([march()], [less, april], NEXT) == {"invoice": [("3.00", both)]}
    silent = {("calls", "5.00", None), ("calls", "-2.00", None)}
    assert told([march()], [less, april], None) == {"invoice": [("3.00", silent)]}


def test_an_increase_is_on_the_next_invoice_also_beside_a_note(told, march, april):
    other = {"item_id": "storage", "window_id": "w-2"}
    more = march("14", quantity=Decimal(9), **other)
    found = told([march(), march(**other)], [march("9", price="{}"), more, april], NOTED)
    assert found == {
        "invoice": [("9.00", {("calls", "5.00", None), ("storage", "4.00", "late_usage")})],
        "credit_note": [("-1.00", {("calls", "-1.00", "changed_price")})],
    }


def test_what_replaces_a_line_stays_with_what_is_taken_back(told, march, april):
    half = march("4", window_end_on=date(2024, 3, 16), window_id="w-half")
    found = told([march()], [half, april], NOTED)
    assert found["credit_note"] == [
        ("-6.00", {("calls", "4.00", None), ("calls", "-10.00", "changed_terms")})
    ]
    dearer = march("13", window_end_on=date(2024, 3, 16), window_id="w-half")
    found = told([march()], [dearer, april], NOTED)
    rows = {("calls", "13.00", None), ("calls", "-10.00", "changed_terms")}
    assert found == {"invoice": [("8.00", {*rows, ("calls", "5.00", None)})]}


def test_a_discount_stays_with_the_lines_that_moved_it(told, march, april):
    def discount(amount):
        named = {"component": "discount", "item_id": "off", "window_id": "w-off"}
        return march(amount, **named, timing="arrears", meter_id=None, meter_version=None)

    found = told(
        [march(), discount("-5")], [march("2", quantity=Decimal(1)), discount("-1"), april], NOTED
    )
    assert found["credit_note"] == [
        ("-4.00", {("calls", "-8.00", "corrected_usage"), ("off", "4.00", "follows")})
    ]


def test_what_is_charged_no_more_goes_back_whole(told, march, april):
    found = told([march()], [april], NOTED)
    assert found["credit_note"] == [("-10.00", {("calls", "-10.00", "cancelled")})]
