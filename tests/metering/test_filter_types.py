"""What `plan` says of a filter that can be read and yet is wrong."""

import pytest

from meterhouse.metering.filter_types import faults
from meterhouse.metering.filters import from_values, parse

TYPES = {
    "region": ("string", None),
    "is_paid": ("boolean", None),
    "tokens": ("integer", None),
    "bytes": ("decimal", 6),
}

MISFITS = {
    "regoin = 'eu'": (
        "the filter reads property 'regoin', which the event type does not have; did you mean "
        "'region'?"
    ),
    "zzz is missing": (
        "the filter reads property 'zzz', which the event type does not have; it has bytes, "
        "is_paid, region, tokens."
    ),
    "region = 1": (
        "`region = 1` compares property 'region', which is string, with a decimal; write a text "
        "in single quotes."
    ),
    "region in ('a', true, 5)": (
        "`region in ('a', true, 5)` compares property 'region', which is string, with a boolean "
        "and a decimal; write a text in single quotes."
    ),
    "region < 'a'": (
        "`region < 'a'` cannot be asked of property 'region', which is string; its operators are "
        "=, !=, in, not in, starts with, ends with, contains, is missing, is present."
    ),
    "is_paid = 'true'": (
        "`is_paid = 'true'` compares property 'is_paid', which is boolean, with a text; write true "
        "or false."
    ),
    "is_paid >= true": (
        "`is_paid >= true` cannot be asked of property 'is_paid', which is boolean; its operators "
        "are =, !=, in, not in, is missing, is present."
    ),
    "bytes = '1'": (
        "`bytes = '1'` compares property 'bytes', which is decimal with 6 decimals, with a text; "
        "write a number such as 100.5."
    ),
    "tokens contains '1'": (
        "`tokens contains '1'` cannot be asked of property 'tokens', which is integer; its "
        "operators are =, !=, <, <=, >, >=, in, not in, is missing, is present."
    ),
    "is_paid = true and region = 'x' and bytes > 1 and region = 'y'": (
        "the filter matches no event, because no value makes `region = 'x' and region = 'y'` true; "
        "correct it."
    ),
    "is_paid = true or is_paid != true or is_paid is missing": (
        "the filter matches every event, because every value makes `is_paid = true or is_paid != "
        "true or is_paid is missing` true; correct it."
    ),
}


@pytest.mark.parametrize("written", MISFITS)
def test_a_filter_that_does_not_fit_the_types_is_told(written):
    assert faults(parse(written), TYPES) == [MISFITS[written]]


@pytest.mark.parametrize(
    "written",
    [
        "region in ('eu', 'us') and not (is_paid = false or region is missing) and bytes >= 100.5",
        "tokens > 0.5",
        "bytes != 1.00000000001 and region starts with 'a'",
        "is_paid in (true, false)",
        "true",
    ],
)
def test_a_filter_that_fits_has_no_fault(written):
    assert faults(parse(written), TYPES) == []


@pytest.mark.parametrize(
    "written",
    [
        "tokens = 1.5",
        "tokens > 1 and tokens < 2",
        "bytes > 1 and bytes < 1.0000009",
        "bytes >= 1000000000000",
        "tokens in (0.5, 99999999999999999999)",
        "region starts with 'a' and region starts with 'b'",
        "region ends with 'a' and region ends with 'b'",
        "region = 'eu' and region starts with 'us'",
        "region starts with 'eu-west' and not region contains 'west'",
        "region is missing and region != 'eu'",
        "is_paid != true and is_paid != false",
        "(region = 'a' or region = 'b') and (tokens > 1 or is_paid = true) and region = 'c'",
    ],
)
def test_a_filter_that_can_match_no_event_is_told(written):
    [fault] = faults(parse(written), TYPES)
    assert fault.startswith("the filter matches no event, because no value makes `")


@pytest.mark.parametrize(
    "written",
    [
        "tokens > 1 and tokens < 3",
        "bytes > 1 and bytes <= 1.000001",
        "tokens > 999999999999999998",
        "region starts with 'a' and region starts with 'ab' and region != 'ab'",
        "region ends with 'a' and region starts with 'b'",
        "region contains 'a' and region contains 'b'",
        "region = 'x' and is_paid = true or region = 'y'",
        # A missing region meets neither.
        "region = 'eu' or region != 'eu'",
    ],
)
def test_a_filter_that_can_match_is_not_accused(written):
    assert faults(parse(written), TYPES) == []


def test_every_fault_is_told_at_once_and_each_only_once():
    found = faults(parse("regoin = 'a' or regoin = 'b' or tokens = 'x' or is_paid > 1"), TYPES)
    assert [one.split(" ")[0] for one in found] == ["the", "`tokens", "`is_paid"]


def test_a_long_shorthand_is_judged_by_its_types_alone():
    many = from_values({"region": [f"region {number}" for number in range(2000)]})
    assert faults(many, TYPES) == []
    assert len(faults(from_values({"tokens": ["1"], "region": [True]}), TYPES)) == 2
