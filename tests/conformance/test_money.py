"""The adapter of lifecycle cases of money compares what it says and refuses what it cannot read."""

import pytest

from tests.conformance import lifecycle_money
from tests.conformance.vectors import NotSupported

CASE = {
    "id": "a",
    "source": "here",
    "kind": "lifecycle",
    "currency": "EUR",
    "timezone": "UTC",
    "given": {
        "lines": ["60.00", "40.00"],
        "discounts": [{"type": "fixed", "amount": "10.00"}],
        "taxes": [{"rate": "20"}],
    },
    "when": [{"bill_as_of": "any"}],
}
PUBLISHED = {
    "invoice_date": None,
    "lines": [{"amount": "60.00", "discount": "6.00"}, {"amount": "40.00", "tax": "7.20"}],
    "subtotal": "100.00",
    "discount": "10.00",
    "credits_applied": "0.00",
    "tax": "18.00",
    "total": "108.00",
}


def check(given=None, **published):
    case = CASE | {"given": CASE["given"] | (given or {}), "expect": [PUBLISHED | published]}
    lifecycle_money.check(case)


def test_a_case_that_holds_passes():
    check()
    assert lifecycle_money.reader_of(CASE) is not None


@pytest.mark.parametrize(
    ("published", "fault"),
    [
        ({"total": "108.01"}, "total: published 108.01"),
        ({"tax": "17.99"}, "tax: published 17.99"),
        ({"discount": "9.99"}, "discount: published 9.99"),
        ({"lines": [{"amount": "60.00"}, {"amount": "41.00"}]}, "published lines 60, 41"),
        ({"lines": [{"amount": "60.00"}]}, "published lines 60, found 60, 40"),
        ({"lines": [{"amount": "60.00"}, {"amount": "40.00", "tax": "7.21"}]}, "line tax"),
        ({"balances": {"wallet": "1"}}, "balances is published and was not found"),
    ],
)
def test_each_published_figure_is_compared(published, fault):
    with pytest.raises(AssertionError, match=fault):
        check(**published)


def test_all_documents_are_compared():
    with pytest.raises(AssertionError, match="published 2 documents, found 1"):
        lifecycle_money.check(CASE | {"expect": [PUBLISHED, PUBLISHED]})


@pytest.mark.parametrize(
    ("given", "published", "fault"),
    [
        ({"haggling": True}, {}, "given haggling"),
        ({"taxes": [{"rate": "20", "moon": "full"}]}, {}, "tax field moon"),
        ({"discounts": [{"type": "fixed", "amount": "1", "mood": "good"}]}, {}, "discount fixed"),
        ({"tax_rounding": "by_hand"}, {}, "tax rounding by_hand"),
        ({}, {"colour": "red"}, "expected field colour"),
        ({}, {"lines": [{"amount": "60.00", "x": "1"}, {"amount": "40.00"}]}, "line field x"),
    ],
)
def test_what_is_not_understood_is_not_supported(given, published, fault):
    with pytest.raises(NotSupported, match=f"not supported: .*{fault}"):
        check(given, **published)


def test_a_case_of_other_things_is_left_to_others():
    assert lifecycle_money.reader_of({"given": {"plans": [], "contract": {}}}) is None
