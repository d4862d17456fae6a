"""What the price models say of a line is printed: tiers of rates, packages, stairs, and rates."""

import copy
import json
from decimal import Decimal

import pytest
from pydantic import TypeAdapter

from meterhouse.cli.paper import price_text
from meterhouse.cli.tree import FACTORS, _step
from meterhouse.contracts.prices import Price
from meterhouse.pricing.rating import rate_windows
from meterhouse.rendering.presentation import Presentation
from meterhouse.rendering.printable import printable
from tests.pricing.prices import events, windows

BOOK = TypeAdapter(Price)
PACKAGES = {"package_size": "100", "package_amount": "2.5", "flat_amount": "1"}


def line_of(golden, said, quantity, values=()):
    """A line of a golden document with this price, and its steps as they are rated."""
    price = BOOK.dump_python(BOOK.validate_python(said), mode="json")
    row = rate_windows(windows([(price, Decimal(quantity))]), events([values])).row(0, named=True)
    content = copy.deepcopy(golden[0])
    steps = json.loads(row["steps"])
    content["lines"] = [content["lines"][0] | {"price": price, "steps": steps}]
    return printable(content, Presentation("en-US")).lines[0], price, steps


@pytest.mark.parametrize(
    ("price", "unit_price", "tiers", "words"),
    [
        (
            {"model": "graduated", "tiers": [{"up_to": "1000", **PACKAGES}, {"unit_amount": "2"}]},
            "see tiers",
            [("0 – 1,000", "2.50 per 100 + 1.00"), ("over 1,000", "2.00")],
            "2 tiers",
        ),
        (
            {
                "model": "stairstep",
                "tiers": [{"up_to": "9", "flat_amount": "4"}, {"flat_amount": "8"}],
            },
            "see tiers",
            [("over 9", "8.00")],
            "2 tiers",
        ),
        (
            {"model": "graduated_percentage", "tiers": [{"rate": "0.0125", "flat_amount": "3"}]},
            "see tiers",
            [("over 0", "1.25% + 3.00")],
            "1 tiers",
        ),
        ({"model": "percentage", "rate": "0.029"}, "2.9%", [], "0.029"),
        (
            {"model": "package", "package_size": "1000", "package_amount": "8"},
            "8.00 per 1,000",
            [],
            "8 per 1,000",
        ),
        ({"model": "overage", "included_units": "5", "unit_amount": "0.125"}, "0.125", [], "0.125"),
        ({"model": "dynamic"}, "", [], "dynamic"),
    ],
    ids=lambda value: value["model"] if isinstance(value, dict) else None,
)
def test_a_price_is_printed_as_it_is_written(golden, price, unit_price, tiers, words):
    line, document, _ = line_of(golden, price, "1500")
    assert line.unit_price == unit_price
    assert [(tier.units, tier.unit_price) for tier in line.tiers] == tiers
    assert price_text(document) == words


def test_explain_tells_packages_rates_and_events(golden):
    tiers = [{"up_to": "1000", **PACKAGES}, {"unit_amount": "2"}]
    _, _, steps = line_of(golden, {"model": "graduated", "tiers": tiers}, "1500")
    assert _step(steps[0]) == (
        "step tier from 0 to 1000: 1000 in 10 packages of 100 × 2.5 + 1 = 26"
    )
    price = {"model": "percentage", "rate": "0.01", "fixed_amount": "5", "max_per_event": "9"}
    _, _, steps = line_of(golden, price, "0", ["10", "500"])
    assert [_step(step) for step in steps] == [
        "step rate from 0: 510 × 0.01 = 5.1",
        "step per_event: 2 events × 5 = 10",
        "step maximum_per_event: 1 events = -1",
    ]
    assert set(FACTORS) == {"unit_amount", "rate", "multiplier"}
