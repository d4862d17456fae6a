"""Random prices of the models that read parts, and random parts for them."""

from decimal import Decimal

import polars as pl
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json
from meterhouse.pricing.models import PARTS
from tests.pricing.prices import prices, scaled, written

BY_PARTS = (
    *("matrix", "two_dimensional", "bucketed", "capacity", "windowed_commitment"),
    *("prorated_graduated", "prorated_volume", "formula"),
)
NAMES = ("region", "size")
VALUES = ("eu", "us", "a\"b'ü", "true")
INNER = ("per_unit", "graduated", "volume", "stairstep", "package", "overage", "dynamic")
FORMULAS = (
    "quantity * fee",
    "if(quantity > fee, base + (quantity - fee) * 0.25, base)",
    "max(base, min(quantity / 3, eu)) + round(us / 7, 2)",
    "if us = 0 then 0 else ceil(eu / us, 1) * base",
    "if(eu > 0 and 1 / eu < 2 or not us != base, floor(quantity), abs(eu - us))",
    "-(base - quantity) + (if quantity / fee > 2 then 1 else 2)",
)


def inner(decimals=8):
    return st.sampled_from(INNER).flatmap(lambda model: prices(model, decimals))


def parts_of(model):
    """A list of parts that the model can read, each as the columns of PARTS but window_id."""
    return st.lists(_part(model), max_size=6)


@st.composite
def _part(draw, model):
    low = -20 if model in ("prorated_graduated", "prorated_volume") else -2
    denominator = draw(st.sampled_from([1, 28, 30, 31, 366]))
    if not model.startswith("prorated"):
        denominator = 1
    return {
        "keys": canonical_json(draw(_keys(model))),
        "quantity": draw(scaled(low, 60, 3) | scaled(0, 10**6, 6) | st.just(Decimal(0))),
        "weight_numerator": draw(st.integers(0, denominator)) if denominator > 1 else 1,
        "weight_denominator": denominator,
    }


def _keys(model):
    value = st.sampled_from(VALUES) | st.none() | st.booleans()
    if model == "capacity":
        return st.fixed_dictionaries({"unit": st.sampled_from(["cpu", "ram", "disk"])})
    return st.just({}) | st.fixed_dictionaries(dict.fromkeys(NAMES, value))


@st.composite
def part_prices(draw, model):
    return {"model": model, **draw(_OF[model]())}


@st.composite
def _cells(draw, others):
    cells = []
    for _ in range(draw(st.integers(1, 4))):
        names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
        values = st.lists(st.sampled_from(VALUES), unique=True, min_size=1, max_size=2)
        cells.append({"keys": {name: draw(values) for name in names}, **draw(others)})
    return cells


def _matrix():
    priced = st.fixed_dictionaries({"price": inner()})
    return st.fixed_dictionaries({"cells": _cells(priced), "default": st.none() | inner()})


def _bounded(others):
    @st.composite
    def made(draw):
        bounds = sorted(draw(st.lists(scaled(1, 90, 2), unique=True, max_size=3)))
        return [{"up_to": b, **draw(others)} for b in [*map(str, bounds), None]]

    return made()


def _two_dimensional():
    selector = st.sampled_from(
        [{}, {"region": "eu"}, {"size": "us"}, {"region": "eu", "size": "true"}]
    )
    tiers = _bounded(st.fixed_dictionaries({"price": inner()}))
    return st.fixed_dictionaries({"tier_by": selector, "price_by": selector, "tiers": tiers})


@st.composite
def _committed(draw):
    kind = draw(st.sampled_from(["none", "amount", "quantity"]))
    amount = draw(written(scaled(0, 500, 6)))
    factors = st.sampled_from(["0", "1", "1.5", "2"])
    return {
        "price": draw(inner(6)),
        "commitment_amount": amount if kind == "amount" else None,
        "commitment_quantity": amount if kind == "quantity" else None,
        "overage_factor": "1" if kind == "none" else draw(factors),
        "true_up": kind != "none" and draw(st.booleans()),
    }


@st.composite
def _capacity(draw):
    tiers = []
    for number in range(1, draw(st.integers(1, 4))):
        limits = {unit: str(number * 10) for unit in ("cpu", "ram")}
        tiers.append({"limits": limits, "amount": draw(written(scaled(0, 100, 4)))})
    last = {"limits": {}, "amount": draw(written(scaled(0, 100, 4)))}
    return {"dimension": "unit", "tiers": [*tiers, last]}


def _prorated():
    money = written(scaled(0, 100, 6))
    tiers = _bounded(st.fixed_dictionaries({"unit_amount": money, "flat_amount": money}))
    return st.fixed_dictionaries({"tiers": tiers, "bill_flat_on_zero": st.booleans()})


def _formula():
    constant = written(scaled(1, 60, 4))
    return st.fixed_dictionaries(
        {
            "formula": st.sampled_from(FORMULAS),
            "constants": st.fixed_dictionaries({"base": constant, "fee": constant}),
            "quantities": st.just({"eu": {"region": "eu"}, "us": {"region": "us"}}),
        }
    )


_OF = {
    "matrix": _matrix,
    "two_dimensional": _two_dimensional,
    "bucketed": lambda: st.fixed_dictionaries({"price": inner()}),
    "capacity": _capacity,
    "windowed_commitment": lambda: st.fixed_dictionaries(
        {"default": _committed(), "cells": _cells(_committed())}
    ),
    "prorated_graduated": _prorated,
    "prorated_volume": _prorated,
    "formula": _formula,
}


def frame(of_windows):
    """The parts of windows numbered from 0000: one list of parts for each."""
    return pl.DataFrame(
        [
            {"window_id": f"{number:04}", "part_no": place, **part}
            for number, parts in enumerate(of_windows)
            for place, part in enumerate(parts)
        ],
        schema=dict(PARTS),
    )
