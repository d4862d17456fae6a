import pytest

from meterhouse.invoicing.first_difference import ABSENT, first_difference


@pytest.mark.parametrize(
    ("stored", "rebuilt", "found"),
    [
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "x"}]}, None),
        ({"a": 1}, {"a": 2}, ("$.a", 1, 2)),
        ({"b": 1, "a": 1}, {"a": 2, "b": 2}, ("$.a", 1, 2)),
        (
            {"lines": [{"quantity": "1"}]},
            {"lines": [{"quantity": "2"}]},
            ("$.lines[0].quantity", "1", "2"),
        ),
        ({"lines": [1, 2]}, {"lines": [1]}, ("$.lines[1]", 2, ABSENT)),
        ({}, {"new": None}, ("$.new", ABSENT, None)),
        ({"a": 1}, {"a": True}, ("$.a", 1, True)),
        ({"a": {}}, {"a": []}, ("$.a", {}, [])),
        (None, None, None),
    ],
)
def test_the_first_difference_in_document_order_is_named(stored, rebuilt, found):
    assert first_difference(stored, rebuilt) == found
