"""Every pair of steps of the order of operations: what either order gives, and the one billed.

Thirteen steps have 78 pairs. The first three make an amount of a quantity; with the ten that
change an amount they have 30 pairs that are possible in one order only. The other 48 pairs
are below: those of which the order matters, with both results, and those of which it does not.
"""

from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from itertools import combinations

import polars as pl
import pytest

from meterhouse.entitlements.grants import Grant, frame
from meterhouse.invoicing.crediting import CREDITED, paid
from meterhouse.invoicing.taxing import TAXED, taxed
from meterhouse.money import round_half_away
from tests.pricing.modified import lines, window

D = Decimal
NOW, LATER = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
STEPS = (
    *("convert", "free", "price", "discount", "maximum", "minimum", "contract discount"),
    *("commitment", "credit", "service fee", "rounding", "tax", "paid"),
)
# What each step does to a number, told by one line of arithmetic; `discount 7` is 7 off.
OBVIOUS = {
    "convert": lambda x: (x / 2).to_integral_value(ROUND_CEILING),
    "free": lambda x: max(x - 5, D(0)),
    "price": lambda x: x * 10,
    "discount": lambda x: x - x / 10,
    "discount 7": lambda x: max(x - 7, D(0)),
    "maximum": lambda x: min(x, D(100)),
    "minimum": lambda x: max(x, D(60)),
    "contract discount": lambda x: x - x / 10,
    "contract discount 9": lambda x: max(x - 9, D(0)),
    "commitment": lambda x: max(x, D(150)),
    "credit": lambda x: max(x - 30, D(0)),
    "service fee": lambda x: x + x / 20,
    "service fee 8": lambda x: x + 8,
    "rounding": lambda x: round_half_away(x, 2),
    "tax": lambda x: x + x / 5,
    "paid": lambda x: max(x - 40, D(0)),
}
ITEM = {
    "convert": {"convert": {"op": "divide", "factor": "2", "rounding": "up"}},
    "free": {"free_quantity": "5"},
    "discount": {"discounts": [{"percentage": "0.1"}]},
    "discount 7": {"discounts": [{"amount": "7"}]},
    "maximum": {"maximum": {"amount": "100"}},
    "minimum": {"minimum": {"amount": "60"}},
}
CONTRACT = {
    "contract discount": {"discounts": [{"id": "off", "percentage": "0.1"}]},
    "contract discount 9": {"discounts": [{"id": "off", "amount": "9"}]},
    "commitment": {"commitments": [{"id": "k", "amount": "150", "period": "window"}]},
    "credit": {"credits": [{"id": "g", "amount": "30"}]},
    "service fee": {"service_fee": {"percentage": "0.05"}},
    "service fee 8": {"service_fee": {"amount": "8"}},
}
# First and second step as they are billed, the quantity (at 10 each), and the result of this order
# and of the other one.
MATTERS = (
    ("convert", "free", "12", "10", "40"),
    ("convert", "price", "3", "20", "15"),
    ("free", "price", "12", "70", "115"),
    ("discount", "maximum", "12", "100", "90"),
    ("discount", "minimum", "3", "60", "54"),
    ("discount", "contract discount 9", "3", "18", "18.9"),
    ("discount", "commitment", "3", "150", "135"),
    ("discount", "credit", "12", "78", "81"),
    ("discount", "service fee 8", "3", "35", "34.2"),
    ("rounding", "discount", "0.0005", "0.01", "0"),
    ("discount 7", "tax", "3", "27.6", "29"),
    ("discount", "paid", "12", "68", "72"),
    ("maximum", "contract discount", "12", "90", "100"),
    ("maximum", "commitment", "3", "150", "100"),
    ("maximum", "credit", "12", "70", "90"),
    ("maximum", "service fee", "12", "105", "100"),
    ("maximum", "tax", "12", "120", "100"),
    ("maximum", "paid", "12", "60", "80"),
    ("minimum", "contract discount", "3", "54", "60"),
    ("minimum", "credit", "3", "30", "60"),
    ("minimum", "service fee", "3", "63", "60"),
    ("minimum", "tax", "3", "72", "60"),
    ("minimum", "paid", "3", "20", "60"),
    ("contract discount", "commitment", "3", "150", "135"),
    ("contract discount", "credit", "12", "78", "81"),
    ("contract discount", "service fee 8", "3", "35", "34.2"),
    ("rounding", "contract discount", "0.0005", "0.01", "0"),
    ("contract discount 9", "tax", "3", "25.2", "27"),
    ("contract discount", "paid", "12", "68", "72"),
    ("commitment", "credit", "3", "120", "150"),
    ("commitment", "service fee", "3", "157.5", "150"),
    ("commitment", "tax", "3", "180", "150"),
    ("commitment", "paid", "3", "110", "150"),
    ("credit", "service fee", "12", "94.5", "96"),
    ("credit", "tax", "12", "108", "114"),
    ("rounding", "service fee", "0.0095", "0.11", "0.1"),
    ("service fee 8", "tax", "3", "45.6", "44"),
    ("service fee", "paid", "12", "86", "84"),
    ("rounding", "tax", "0.0095", "0.12", "0.11"),
    ("tax", "paid", "12", "104", "96"),
)
# A pair with rounding is about the line of usage: printed in cents, or passed on as it is.
FREE = {
    ("maximum", "minimum"): "no more than the maximum is ever the minimum",
    ("minimum", "commitment"): "the greater of the two holds",
    ("credit", "paid"): "both are taken off, as far as there is anything",
    ("maximum", "rounding"): "a limit is in cents",
    ("minimum", "rounding"): "a limit is in cents",
    ("commitment", "rounding"): "a commitment is in cents",
    ("credit", "rounding"): "a credit is in cents",
    ("rounding", "paid"): "prepaid money is in cents",
}


def step(told):
    """The step of a variant: `discount 7` is a discount."""
    return told.rstrip(" 0123456789")


def obvious(quantity, *told):
    """The steps one after the other; an amount of the end is in cents."""
    found = D(quantity)
    for name in told:
        found = OBVIOUS[name](found)
    return round_half_away(found, 2)


def billed(quantity, *told):
    """What the engine makes of the quantity under both steps: lines, tax, prepaid money."""
    item = {key: value for name in told for key, value in ITEM.get(name, {}).items()}
    own = {key: value for name in told for key, value in CONTRACT.get(name, {}).items()}
    found = lines([window(1, quantity, item or None)], own or None)
    due = found["amount"].sum()
    if "tax" in told:
        rows = [
            ("d", n, 1, "t", one, D("0.2"), False, False, 2)
            for n, one in enumerate(found["amount"])
        ]
        due += taxed(pl.DataFrame(rows, schema=dict(TAXED), orient="row")).rates["tax"].sum()
    if "paid" in told:
        total = [("d", 1, "acme", "EUR", "", NOW, due)]
        held = frame([Grant("acme", "EUR", "p", D(40), NOW, kind="paid")])
        drawn = paid(pl.DataFrame(total, schema=dict(CREDITED), orient="row"), held, LATER)
        due -= drawn.lines["credit"].sum()
    return due


def in_order(first, second, *, swapped):
    """The steps with the price where it belongs: it comes before all that change an amount."""
    both = (second, first) if swapped else (first, second)
    if "price" in both:
        return both
    return (*both, "price") if STEPS.index(step(second)) < 2 else ("price", *both)


@pytest.mark.parametrize(("first", "second", "quantity", "chosen", "other"), MATTERS)
def test_of_a_pair_whose_order_matters_the_one_of_the_table_is_billed(
    first, second, quantity, chosen, other
):
    assert STEPS.index(step(first)) < STEPS.index(step(second)) or first == "rounding"
    assert obvious(quantity, *in_order(first, second, swapped=False)) == D(chosen)
    assert obvious(quantity, *in_order(first, second, swapped=True)) == D(other) != D(chosen)
    assert billed(quantity, first, second) == D(chosen)


@pytest.mark.parametrize(("first", "second"), FREE)
def test_of_the_other_pairs_either_order_is_billed(first, second):
    for quantity in ("0", "0.0005", "0.0995", "1", "5.9995", "6", "8", "12.3455", "100"):
        either = obvious(quantity, *in_order(first, second, swapped=False))
        assert obvious(quantity, *in_order(first, second, swapped=True)) == either
        assert billed(quantity, first, second) == either


def test_every_pair_is_in_one_of_the_two_tables():
    told = [frozenset((step(one[0]), step(one[1]))) for one in (*MATTERS, *FREE)]
    units, amounts = STEPS[:3], STEPS[3:]
    wanted = [frozenset(pair) for some in (units, amounts) for pair in combinations(some, 2)]
    assert len(wanted) == 48
    assert sorted(map(sorted, told)) == sorted(map(sorted, wanted))
