"""Tax from given rates: rounded once, told by line, compound and inclusive."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.invoicing.taxing import TAXED, Options, tax_of, taxed

D = Decimal
FIFTH = (D("0.2"), False)


def rows(amounts, rates, *, inclusive=False):
    found = [
        ("d", line, number, f"t{number}", D(amount), rate, compound, inclusive, 2)
        for line, amount in enumerate(amounts)
        for number, (rate, compound) in enumerate(rates)
    ]
    return pl.DataFrame(found, schema=dict(TAXED), orient="row")


def total(frame, options=None):
    return taxed(frame, options or Options()).rates["tax"].sum()


def test_tax_is_rounded_once_for_each_rate_and_told_by_line():
    found = taxed(rows(["0.13", "0.13", "0.13"], [FIFTH]))
    assert found.rates.select("base", "tax").row(0) == (D("0.39"), D("0.08"))
    assert found.lines["tax"].to_list() == [D("0.03"), D("0.03"), D("0.02")]


def test_or_on_each_line():
    found = taxed(rows(["0.43", "4.84"], [(D("0.15"), False)]), Options(rounding="line"))
    assert found.lines["tax"].to_list() == [D("0.06"), D("0.73")]
    assert found.rates["tax"].to_list() == [D("0.79")]


def test_or_once_for_the_whole_invoice():
    rates = [(D("0.105"), False), (D("0.205"), False)]
    frame = rows(["1.00"], rates)
    assert total(frame) == D("0.32")
    whole = taxed(frame, Options(rounding="invoice"))
    assert whole.rates["tax"].to_list() == [D("0.11"), D("0.20")]


def test_several_rates_add_and_a_compound_one_is_due_on_those_before_it():
    assert total(rows(["100.00"], [FIFTH, (D("0.1"), False)])) == D(30)
    assert total(rows(["100.00"], [(D("0.05"), False), (D("0.07"), True)])) == D("12.35")


def test_an_inclusive_amount_holds_its_tax():
    found = taxed(rows(["10.00"] * 3, [FIFTH], inclusive=True))
    assert found.rates.select("base", "tax").row(0) == (D(25), D(5))


def test_half_even_is_offered():
    frame = rows(["0.25"], [(D("0.1"), False)])
    assert (total(frame), total(frame, Options(mode="half_even"))) == (D("0.03"), D("0.02"))


def test_a_credit_note_has_the_tax_of_the_invoice_with_its_sign_turned():
    amounts = ["12.34", "0.55", "7.77"]
    turned = [f"-{amount}" for amount in amounts]
    assert total(rows(turned, [FIFTH])) == -total(rows(amounts, [FIFTH]))


@pytest.mark.parametrize("rounding", ["invoice_per_rate", "invoice", "line"])
@settings(max_examples=25)
@given(
    amounts=st.lists(st.integers(-(10**6), 10**8), min_size=1, max_size=4),
    rates=st.lists(st.tuples(st.integers(0, 3000), st.booleans()), min_size=1, max_size=3),
    inclusive=st.booleans(),
)
def test_lines_add_up_to_rates_and_one_line_agrees_with_its_twin(
    rounding, amounts, rates, inclusive
):
    told = [(D(units).scaleb(-4), compound) for units, compound in rates]
    written = [D(units).scaleb(-2) for units in amounts]
    found = taxed(rows(written, told, inclusive=inclusive), Options(rounding=rounding))
    assert found.lines["tax"].sum() == found.rates["tax"].sum()
    if rounding == "line":
        own = [tax for a in written for tax in tax_of(a, told, 2, is_inclusive=inclusive)]
        assert found.lines["tax"].to_list() == own
