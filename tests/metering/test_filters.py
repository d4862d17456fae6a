"""What the language says, and what it says of a text that it is not."""

from decimal import Decimal

import pytest

from meterhouse.metering.filter_holds import holds
from meterhouse.metering.filter_tree import And, Condition, Filter, Not, Or, Value
from meterhouse.metering.filters import FilterError, from_values, parse, to_text


def text(name, operator, *values):
    return Condition(name, operator, tuple(Value("text", one) for one in values))


A, B, C = (text(name, "=", "x") for name in "abc")


@pytest.mark.parametrize(
    ("written", "root"),
    [
        ("a = 'x'", A),
        ("a!='x'", text("a", "!=", "x")),
        ("a in ('x', 'y')", text("a", "in", "x", "y")),
        ("a NOT in('x')", text("a", "not in", "x")),
        ("a Starts With 'x'", text("a", "starts with", "x")),
        ("a ends\n with 'x'", text("a", "ends with", "x")),
        ("a contains ''", text("a", "contains", "")),
        ("a contains 'it''s'", text("a", "contains", "it's")),
        ("a contains ''''", text("a", "contains", "'")),
        ("a = 'x and y'", text("a", "=", "x and y")),
        ("a is missing", Condition("a", "is missing")),
        ("a IS PRESENT", Condition("a", "is present")),
        ("a >= 100.50", Condition("a", ">=", (Value("decimal", Decimal("100.5")),))),
        ("a < -0.1", Condition("a", "<", (Value("decimal", Decimal("-0.1")),))),
        ("a = TRUE", Condition("a", "=", (Value("boolean", True),))),
        ("a != false", Condition("a", "!=", (Value("boolean", False),))),
        ("android = 'x'", text("android", "=", "x")),
        ("not_in = 'x'", text("not_in", "=", "x")),
        ("\"in\" in ('x')", text("in", "in", "x")),
        ("true", None),
    ],
)
def test_each_form_is_read_as_it_is_meant(written, root):
    assert parse(written) == Filter(root)


@pytest.mark.parametrize(
    ("written", "root"),
    [
        ("a = 'x' or b = 'x' and c = 'x'", Or((A, And((B, C))))),
        ("(a = 'x' or b = 'x') and c = 'x'", And((Or((A, B)), C))),
        ("not a = 'x' and b = 'x'", And((Not(A), B))),
        ("not (a = 'x' and b = 'x')", Not(And((A, B)))),
        ("not not a = 'x'", Not(Not(A))),
        ("a = 'x' and (b = 'x' and c = 'x')", And((A, And((B, C))))),
        ("((a = 'x'))", A),
    ],
)
def test_not_binds_closer_than_and_and_and_closer_than_or(written, root):
    assert parse(written) == Filter(root)


def test_a_number_is_not_a_boolean():
    assert parse("a = 1") != parse("a = true")


def test_the_one_spelling_is_short_and_plain():
    written = "NOT((a='x'))AND ((b<1.50 OR \"not\"=TRUE)) or a in('x' ,'it''s')"
    spelt = "not a = 'x' and (b < 1.5 or \"not\" = true) or a in ('x', 'it''s')"
    assert to_text(parse(written)) == spelt


def test_a_filter_knows_the_properties_it_asks():
    assert parse("a = 'x' and not (b is missing or a = 'y')").properties == {"a", "b"}
    assert parse("true").properties == frozenset()


def test_the_shorthand_asks_for_one_of_the_values_of_every_key():
    found = from_values({"region": ["eu", "us"], "is_paid": [True], "in": ["x"]})
    assert to_text(found) == "region in ('eu', 'us') and is_paid = true and \"in\" = 'x'"
    assert from_values({"region": ["eu"]}) == parse("region = 'eu'")
    assert from_values({}) == parse("true")


def test_a_shorthand_without_values_is_refused():
    with pytest.raises(FilterError, match="has no value for property 'region'"):
        from_values({"region": []})


@pytest.mark.parametrize("operator", ["= 'x'", "!= 'x'", "not in ('x')", "contains ''"])
def test_a_comparison_with_a_missing_value_is_false_and_its_not_is_true(operator):
    for values in ({}, {"a": None}):
        assert not holds(parse(f"a {operator}"), values)
        assert holds(parse(f"not a {operator}"), values)


def test_texts_are_compared_letter_by_letter():
    assert not holds(parse("a = 'EU'"), {"a": "eu"})
    assert not holds(parse("a = 'é'"), {"a": "e\u0301"})
    assert holds(parse("a = ''"), {"a": ""})
    assert holds(parse("a is present"), {"a": ""})


def test_values_of_another_type_are_refused_rather_than_compared():
    for value in ("1", True):
        with pytest.raises(TypeError, match="the filter compares it with Decimal"):
            holds(parse("a = 1"), {"a": value})


GOLDEN = {
    "": "column 1: it ends where the name of a property, `not` or `(` is expected.",
    "Region = 'eu'": (
        "column 1: `Region` stands where the name of a property, `not` or `(` is expected; a name "
        "has up to 48 small letters, digits and _, and begins with a letter."
    ),
    "region startswith 'x'": (
        "column 8: `startswith` stands where an operator (=, !=, <, <=, >, >=, in, not in, starts "
        "with, ends with, contains, is missing, is present) is expected; did you mean "
        "'starts with'?"
    ),
    "region == 'eu'": (
        "column 8: `==` stands where an operator (=, !=, <, <=, >, >=, in, not in, starts with, "
        "ends with, contains, is missing, is present) is expected; write `=`."
    ),
    "region = eu": (
        "column 10: `eu` stands where a value ('text', 100.5, true or false) is expected; a text "
        "stands in single quotes: 'eu'."
    ),
    "region in ()": (
        "column 12: `)` stands where a value ('text', 100.5, true or false) is expected; a list "
        "has one or more values, with commas between them."
    ),
    "bytes > 1e5": (
        "column 9: `1e5` stands where a value ('text', 100.5, true or false) is expected; a number "
        "has digits and one point, no exponent and no separators: -100.5."
    ),
    "bytes > 1,000": (
        "column 10: `,` stands where `and`, `or` or the end is expected; a number has no "
        "separators."
    ),
    "'eu' = region": (
        "column 1: `'eu'` stands where the name of a property, `not` or `(` is expected; the "
        "property stands on the left of the operator, the value on the right."
    ),
    "a = 'x' adn b = 'y'": (
        "column 9: `adn` stands where `and`, `or` or the end is expected; did you mean 'and'?"
    ),
    "a = 'x'\nand b = 'y": (
        "line 2, column 9: `'` stands where a value ('text', 100.5, true or false) is expected; a "
        "text begins there and does not end: close it with ', and write '' for a '."
    ),
    "(a = 'x'": "column 9: it ends where `and`, `or` or `)` is expected.",
    "a = 'x')": "column 8: `)` stands where `and`, `or` or the end is expected.",
    # Without regard to case the long s would be an s.
    "a iſ missing": (
        "column 3: `iſ` stands where an operator (=, !=, <, <=, >, >=, in, not in, starts with, "
        "ends with, contains, is missing, is present) is expected; did you mean 'in'?"
    ),
    "a is null": "column 6: `null` stands where `missing` or `present` is expected; write "
    "`missing`.",
    "a = null": (
        "column 5: `null` stands where a value ('text', 100.5, true or false) is expected; write "
        "`is missing`."
    ),
    "a not contains 'x'": (
        "column 7: `contains` stands where `in` is expected; any other `not` stands before the "
        "comparison: not (a starts with 'x')."
    ),
    "in in ('x')": (
        "column 1: `in` stands where the name of a property, `not` or `(` is expected; a property "
        'that is named like a keyword stands in double quotes: "in".'
    ),
    "a starts with 5": (
        "column 15: `5` stands where a text in single quotes is expected; a text stands in single "
        "quotes: '5'."
    ),
    "\u00a0a = 1": (
        "column 1: '\\xa0a' stands where the name of a property, `not` or `(` is expected; a name "
        "has up to 48 small letters, digits and _, and begins with a letter."
    ),
    "a = 'x\u202ey'": "column 5: the text holds the control character U+202E; remove it.",
    '"A b" = 1': (
        "column 1: double quotes stand around names of properties, which have up to 48 small "
        "letters, digits and _; a text stands in single quotes."
    ),
}


@pytest.mark.parametrize("written", GOLDEN)
def test_a_text_that_is_no_filter_is_refused_with_the_place_and_what_to_write(written):
    with pytest.raises(FilterError) as found:
        parse(written)
    assert str(found.value) == f"The filter cannot be read at {GOLDEN[written]}"


@pytest.mark.parametrize("other", ["and", "or"])
def test_a_reason_can_follow_another_subject(other):
    with pytest.raises(FilterError) as found:
        parse(f"a = 1 {other}")
    assert str(found.value) == f"The filter {found.value.reason}."
    assert isinstance(found.value, ValueError)


@pytest.mark.parametrize(
    ("fits", "exceeds", "reason"),
    [
        (
            "a = '" + "x" * 1994 + "'",
            "a = '" + "x" * 1995 + "'",
            "The filter has 2001 characters, more than 2000; filter by a property that says the "
            "same in fewer words.",
        ),
        (
            "a = '" + "x" * 1994 + "'",
            "a='" + "x" * 1995 + "'",
            "The filter has 2001 characters (1999 as it is written), more than 2000; filter by a "
            "property that says the same in fewer words.",
        ),
        (
            "not " * 32 + "a in ('x')",
            "not " * 33 + "a in ('x')",
            "The filter is nested deeper than 32 levels at column 129; leave out parentheses that "
            "change nothing.",
        ),
        (
            "not (" * 16 + "a in ('x')" + ")" * 16,
            "not (" * 16 + "not a in ('x')" + ")" * 16,
            "The filter is nested deeper than 32 levels at column 81; leave out parentheses that "
            "change nothing.",
        ),
        (
            "a in (" + ", ".join(["1"] * 500) + ")",
            "a in (" + ", ".join(["1"] * 501) + ")",
            "The filter has 501 values to compare with, more than 500; filter by a property that "
            "says the same in fewer words.",
        ),
    ],
)
def test_a_filter_has_bounds_and_fits_them_in_its_one_spelling(fits, exceeds, reason):
    assert parse(to_text(parse(fits))) == parse(fits)
    with pytest.raises(FilterError) as found:
        parse(exceeds)
    assert str(found.value) == reason


def test_parts_that_join_nothing_are_refused():
    for kind in (And, Or):
        with pytest.raises(ValueError, match="two or more parts"):
            kind((A,))
