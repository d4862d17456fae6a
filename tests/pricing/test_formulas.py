import json
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from meterhouse.contracts.prices import Price
from meterhouse.errors import UsageError
from meterhouse.pricing.formula_reading import MAX_SIGNS, FormulaError, read
from meterhouse.pricing.formula_value import value
from meterhouse.pricing.rating import rate_windows
from meterhouse.pricing.scalar import charge
from tests.pricing.part_prices import frame
from tests.pricing.prices import windows
from tests.pricing.test_part_models import part

BOOK = TypeAdapter(Price)


def book(formula, constants=(), quantities=()):
    price = {
        "model": "formula", "formula": formula,
        "constants": dict(constants), "quantities": dict(quantities),
    }  # fmt: skip
    return BOOK.dump_python(BOOK.validate_python(price), mode="json")


def rated(price, *parts):
    quantity = max(sum(one["quantity"] for one in parts), Decimal(0))
    return rate_windows(windows([(price, quantity)]), frame([parts])).row(0, named=True)


def amount(price, *parts):
    found = rated(price, *parts)["amount_unrounded"]
    assert found == charge(price, Decimal(0), parts)
    return found


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 3 - 2", "5"),
        ("8 / 4 / 2", "1"),
        ("-2 * -3", "6"),
        ("2 - 5", "0"),
        ("10 / 3", "3.333333333333333333"),
        ("2 / 3", "0.666666666666666667"),
        ("0.000000000001 * 0.0000005", "0"),
        ("0.000000000003 * 0.0000005", "0.000000000000000002"),
        ("round(2.5) + round(0.125, 2)", "3.13"),
        ("round(0 - 2.5) + 10", "7"),
        ("ceil(2.01) + floor(2.99)", "5"),
        ("ceil(2.011, 2) - floor(2.019, 2)", "0.01"),
        ("ceil(0 - 1.5) + 3", "2"),
        ("abs(2 - 5) + min(4, 3, 9) + max(1, 2)", "8"),
        ("if(1 < 2, 5, 6)", "5"),
        ("if 1 >= 2 then 5 else if 3 != 3 then 6 else 7", "7"),
        ("if (1 = 1 and not 2 = 1) then 1 else 2", "1"),
        ("if 1 > 2 or 2 > 1 and 1 > 3 then 1 else 2", "2"),
        ("if(quantity = 0, 4, 1 / quantity)", "4"),
        ("IF(1 <= 1, 3, 2)", "3"),
    ],
)
def test_a_formula_gives_what_arithmetic_says(formula, expected):
    assert amount(book(formula)) == Decimal(expected)


def test_names_are_constants_the_whole_quantity_and_units_with_certain_values():
    price = book(
        "base + quantity * rate + gpu * 2",
        {"base": "10", "rate": "0.5"},
        {"gpu": {"unit": "gpu", "region": "eu"}},
    )
    parts = (
        part("4", unit="gpu", region="eu"),
        part("6", unit="gpu", region="us"),
        part("-1", unit="cpu", region="eu"),
    )
    assert amount(price, *parts) == Decimal("22.5")
    (step,) = json.loads(rated(price, *parts)["steps"])
    assert step["values"] == {"base": "10", "gpu": "4", "quantity": "9", "rate": "0.5"}
    assert (step["formula"], step["amount"]) == (price["formula"], "22.5")


def test_windows_of_one_formula_keep_their_own_constants():
    prices = [book("quantity * rate", {"rate": rate}) for rate in ("1", "2", "3")]
    asked = windows([(price, 5) for price in prices])
    result = rate_windows(asked, frame([[part("5")]] * 3))
    assert result["amount_unrounded"].to_list() == [5, 10, 15]


def test_a_division_by_zero_is_told_and_not_billed():
    price = book("1 / quantity")
    with pytest.raises(UsageError, match="divides by zero in 1 windows"):
        rated(price)
    with pytest.raises(UsageError, match="divides by zero"):
        charge(price, Decimal(0), [])
    assert amount(price, part("4")) == Decimal("0.25")
    assert value(read("min(1, 1 / 0)"), {}) is None


@pytest.mark.parametrize(
    ("formula", "fault"),
    [
        ("", "at column 1: it ends where a number, a name, a function, `if` or `(` is expected."),
        ("1 +", "at column 4: it ends where a number"),
        ("1 +\n* 2", "at line 2, column 1: `*` stands where a number"),
        ("(1", "it ends where one of + - * / or `)` is expected"),
        ("1)", "at column 2: `)` stands where one of + - * / or the end"),
        ("quantity == 3", "; write `=`."),
        ("if(quantity == 3, 1, 2)", "; write `=`."),
        ("if(quantity, 1, 2)", "`,` stands where"),
        ("quantity > 3", "`>` stands where one of"),
        ("if quantity > 3 then 1", "`else` is expected"),
        ("1,000", "a number has a point and no separators"),
        ("1e5", "at most 15 digits"),
        ("0.1234567890123", "12 decimals"),
        ("5 %", "write `* 0.01`"),
        ("2 ** 3", "write `*`"),
        ("Quantity", "names have small letters"),
        ("quantity.__class__", "stands where"),
        ("'text'", "`'` stands where"),
        ("__import__(1)", "stands where"),
        ("flor(1)", "there is no function `flor`; did you mean 'floor'?"),
        ("exec(1)", "there is no function `exec`"),
        ("min(1)", "`min` takes 2 to 20 values, not 1"),
        ("abs(1, 2)", "`abs` takes 1 values, not 2"),
        ("round(1, quantity)", "how many decimals stay: 0 to 12"),
        ("round + 1", "`round` is a function: write `round(…)`"),
        ("(" * 33 + "1" + ")" * 33, "deeper than 32 levels"),
        ("-" * 40 + "1", "deeper than 32 levels"),
        ("1" + " + 1" * 200, "more than 300"),
        ("1" + " " * 2000, "characters, more than 2000"),
    ],
)
def test_the_fault_of_a_formula_is_a_sentence(formula, fault):
    with pytest.raises(FormulaError, match=re.escape(fault)) as caught:
        read(formula)
    assert re.fullmatch(r"The formula .*[.?]", str(caught.value), re.DOTALL)


@pytest.mark.parametrize(
    ("formula", "given", "fault"),
    [
        ("quantiy * 2", {}, "reads `quantiy`, which is no constant and no quantity; did you mean "),
        ("zzz", {"constants": {}}, "there are quantity"),
        ("quantity", {"constants": {"base": "1"}}, "`base` is not in the formula"),
        ("quantity + 1", {"constants": {"quantity": "1"}}, "has a meaning of its own"),
        (
            "a",
            {"constants": {"a": "1"}, "quantities": {"a": {"unit": "x"}}},
            "is a constant and a quantity",
        ),
        ("1 +", {}, "The formula cannot be read at column 4"),
    ],
)
def test_the_book_refuses_a_formula_whose_names_are_not_known(formula, given, fault):
    with pytest.raises(ValidationError, match=fault):
        BOOK.validate_python({"model": "formula", "formula": formula, **given})


@pytest.mark.parametrize("sign", ["+", "-", "*"])
def test_the_longest_formulas_are_read_and_rated(sign):
    count = MAX_SIGNS // 2 - 1
    assert amount(book("1" + f" {sign} 1" * count)) == {"+": count + 1, "-": 0, "*": 1}[sign]


@settings(max_examples=60)
@given(st.text(max_size=60) | st.text("if(quantity,+-*/<=>) 0123.abc", max_size=60))
def test_any_text_is_a_formula_or_a_sentence(text):
    try:
        read(text)
        told = "The formula is read."
    except FormulaError as error:
        told = str(error)
    assert re.fullmatch(r"The formula .*[.?]", told, re.DOTALL)
