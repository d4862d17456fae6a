"""Prices that read parts are billed from real usage: landed, folded, rated, issued, rebuilt."""

import json
import re
from datetime import date
from decimal import Decimal

import pytest
from rich.console import Console

from meterhouse.cli.tree import tree_of
from meterhouse.errors import BookFault
from meterhouse.rendering.presentation import Presentation
from meterhouse.rendering.printable import printable
from meterhouse.run.asked_spans import Asked
from meterhouse.run.close import close
from meterhouse.run.estimates import estimate
from meterhouse.run.explain import explain
from meterhouse.run.rebuild import rebuild
from tests.truth.events import Event

pytestmark = pytest.mark.slow
THROUGH = date(2026, 2, 1)
PER_UNIT = {"model": "per_unit", "unit_amount": "2"}
ITEMS = {
    "matrix": {
        "model": "matrix",
        "cells": [
            {"keys": {"unit": "gpu", "is_spot": True}, "price": PER_UNIT},
            {
                "keys": {"unit": ["gpu", "cpu"]},
                "price": {
                    "model": "graduated",
                    "tiers": [{"up_to": "10", "unit_amount": "5"}, {"unit_amount": "1"}],
                },
            },
        ],
    },
    "formula": {
        "model": "formula",
        "formula": "base + max(gpu - 10, 0) * 0.5 + quantity / 3",
        "constants": {"base": "7"},
        "quantities": {"gpu": {"unit": "gpu"}},
    },
    "capacity": {
        "model": "capacity",
        "tiers": [
            {"limits": {"gpu": "10", "cpu": "100"}, "amount": "30"},
            {"limits": {"gpu": "20"}, "amount": "40"},
            {"amount": "90"},
        ],
    },
    "two": {
        "model": "two_dimensional",
        "tier_by": {"unit": "gpu"},
        "price_by": {"unit": "cpu"},
        "tiers": [{"up_to": "10", "price": PER_UNIT}, {"price": PER_UNIT | {"unit_amount": "1"}}],
    },
    "buckets": {
        "model": "bucketed",
        "price": {
            "model": "graduated",
            "tiers": [{"up_to": "4", "unit_amount": "1"}, {"unit_amount": "10"}],
        },
    },
    "committed": {
        "model": "windowed_commitment",
        "default": {
            "price": PER_UNIT,
            "commitment_amount": "3",
            "overage_factor": "2",
            "true_up": True,
        },
    },
    "seats": {
        "model": "prorated_graduated",
        "tiers": [
            {"up_to": "5", "unit_amount": "31", "flat_amount": "10"},
            {"unit_amount": "62", "flat_amount": "1"},
        ],
    },
    "fee": {
        "model": "percentage",
        "rate": "0.01",
        "fixed_amount": "0.25",
        "free_events": 1,
    },
}
METERS = {
    "matrix": "units", "formula": "units", "capacity": "units", "two": "units",
    "buckets": "peaks", "committed": "peaks", "seats": "seats", "fee": "paid",
}  # fmt: skip


def meter(id, event_type, aggregation, property, **more):
    return {
        "kind": "meter", "id": id, "event_type": event_type, "aggregation": aggregation,
        "property": property, "unit": "unit", **more,
    }  # fmt: skip


BOOK = [
    {
        "kind": "event_type",
        "id": "use",
        "properties": {
            "amount": {"type": "decimal", "decimals": 2},
            "unit": {"type": "string", "required": False},
            "is_spot": {"type": "boolean", "required": False},
        },
    },
    {"kind": "event_type", "id": "seat", "properties": {"seats": {"type": "integer"}}},
    {
        "kind": "event_type",
        "id": "payment",
        "properties": {"value": {"type": "decimal", "decimals": 2}},
    },
    meter("units", "use", "sum", "amount", dimensions=["unit", "is_spot"]),
    meter("peaks", "use", "max", "amount", bucket="day"),
    meter("seats", "seat", "prorated_sum", "seats", recurring=True),
    meter("paid", "payment", "sum", "value"),
    {
        "kind": "customer",
        "id": "parts",
        "name": "Parts",
        "tax": {"treatment": "out_of_scope", "reason": "Not taxable"},
    },
]


def contract(**changes):
    items = [
        {"id": id, "description": id, "meter": METERS[id], "price": price, "shared": True}
        for id, price in ITEMS.items()
    ]
    return {
        "kind": "contract", "id": "parts-main", "customer": "parts", "entity": "us",
        "currency": "USD", "zone": "America/New_York", "start": "2026-01-01",
        "payment_terms": "net30", "items": items, **changes,
    }  # fmt: skip


def used(number, day, **data):
    kind = "seat" if "seats" in data else "payment" if "value" in data else "use"
    at = f"2026-01-{day:02}T15:00:00Z"
    return Event("api", f"p{number}", kind, "parts", at, tuple(data.items()))


USAGE = [
    used(1, 3, amount="12.5", unit="gpu"),
    used(2, 3, amount="3", unit="gpu", is_spot=True),
    used(3, 5, amount="4", unit="cpu", is_spot=False),
    used(4, 5, amount="6", unit="disk"),
    used(5, 1, seats=4),
    used(6, 12, seats=2),
    used(7, 22, seats=-3),
    used(8, 2, value="100"),
    used(9, 4, value="50"),
    used(10, 5, value="10"),
]
# What people would reckon by hand.
BILLED = {
    # Cell of spot gpu 3 x 2; cell of gpu and cpu 16.5: 10 x 5 + 6.5 x 1; disk is in no cell.
    "matrix": "62.50",
    # gpu 15.5: 7 + 5.5 x 0.5 + 25.5 / 3.
    "formula": "18.25",
    "capacity": "40.00",
    # gpu 15.5 is in the second tier, cpu 4 x 1.
    "two": "4.00",
    # Peaks 12.5 and 6 on two days: 4 + 85, 4 + 20.
    "buckets": "113.00",
    # Two days 3 + 22 x 2 and 3 + 9 x 2; 29 days owe 3.
    "committed": "155.00",
    # 4 x 31 x 31/31; 1 x 31 x 20/31 and 1 x 62 x 20/31; -1 x 62 x 10/31 and -2 x 31 x 10/31; flats.
    "seats": "155.00",
    # The first of three events is free; 60 x 0.01 + 2 x 0.25.
    "fee": "1.10",
}


@pytest.fixture(scope="module")
def billed(book_home, tmp_path_factory):
    home = book_home.copy(tmp_path_factory.mktemp("parts") / "home")
    home.record(*BOOK, contract())
    home.land(USAGE)
    home.done = home.issue(THROUGH)
    return home


def lines_of(home):
    (document,) = (one for one in home.documents() if one["buyer"]["name"] == "Parts")
    return {line["item"]: line for line in document["lines"]}


def test_each_price_is_billed_from_the_parts_of_its_window(billed):
    lines = lines_of(billed)
    assert {item: line["amount"] for item, line in lines.items()} == BILLED
    for line in lines.values():
        total = sum(Decimal(step["amount"]) for step in line["steps"])
        assert total == Decimal(line["unrounded"])


COMPARED = """
select item_id, reason, lines from made.ops.compared
where contract_id = 'parts-main' and component = 'usage' order by item_id
"""


def test_both_raters_come_to_the_same_and_those_left_out_are_counted(billed):
    with billed.lake.reading() as db:
        db.execute(f"attach '{billed.lake.settings.warehouse}' as made (read_only)")
        rows = db.execute(COMPARED).fetchall()
    both = ("buckets", "capacity", "committed", "fee", "matrix", "seats", "two")
    left_out = {"formula": "formula"}
    assert rows == [(item, left_out.get(item), 1) for item in sorted({*both, *left_out})]


def test_units_that_no_cell_is_for_are_told_on_the_line(billed):
    (told,) = (one for one in lines_of(billed)["matrix"]["steps"] if one["step"] == "unmatched")
    assert (told["quantity"], told["example"]["unit"]) == ("6", "disk")


def test_all_determinants_of_a_window_are_recorded_with_its_one_line(billed):
    rows = billed.rows(
        "select item_id, count(*), sum(quantity) from facts.billed_determinants "
        "where contract_id = 'parts-main' group by 1"
    )
    assert ("matrix", 4, Decimal("25.5")) in rows
    assert ("buckets", 1, Decimal("18.5")) in rows


def test_explain_tells_the_parts_and_the_steps_inside_them(billed):
    (number,) = (
        one["issue"]["number"] for one in billed.documents() if one["buyer"]["name"] == "Parts"
    )
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        console.print(tree_of(explain(billed.lake, number)))
    told = " ".join(captured.get().split())
    assert "step cell unit gpu/cpu: 16.5 = 56.5" in told
    assert "step tier from 0 to 10: 10 × 5" in told
    assert "all determinants of the window" in told
    assert "step committed_bucket cost 25, commitment 3, excess 22, factor 2: 12.5 = 47" in told
    assert "step formula base 7, gpu 15.5, quantity 25.5, in base + max(gpu - 10, 0)" in told


def test_the_invoice_shows_the_cells_and_tiers(billed):
    (document,) = (one for one in billed.documents() if one["buyer"]["name"] == "Parts")
    lines = {line.description: line for line in printable(document, Presentation()).lines}
    assert [(tier.units, tier.amount) for tier in lines["matrix"].tiers] == [
        ("is spot: true, unit: gpu", "6.00"),
        ("unit: gpu/cpu", "56.50"),
    ]
    assert len(lines["seats"].tiers) == 2
    assert lines["capacity"].unit_price == ""


@pytest.mark.soak
def test_a_second_run_bills_nothing_more(billed):
    assert billed.issue(THROUGH).issued.numbers == ()


@pytest.mark.parametrize("level", ["determinants", "events"])
def test_the_document_is_rebuilt_byte_for_byte(billed, level):
    found = rebuild(billed.lake, billed.done.issued.numbers, level)
    assert [(one.is_identical, one.path, one.note) for one in found] == [
        (True, None, f"from {level}")
    ] * len(found)


def test_late_usage_is_billed_as_the_difference(billed, tmp_path):
    home = billed.copy(tmp_path / "home")
    home.land([used(11, 6, amount="10", unit="disk"), used(12, 6, value="30")])
    home.issue(date(2026, 3, 1))
    sums = {key[1]: amount for key, amount in home.sums().items() if key[2] == date(2026, 1, 1)}
    # The matrix has no cell for it; 25.5 + 10 units: 3.33 more; a third day: 4 + 60; no true-up of
    # that day, 3 + 17 x 2 instead; one event more: 0.30 + 0.25.
    own = {item: sums[item] - Decimal(BILLED[item]) for item in BILLED}
    assert own == {
        **dict.fromkeys(BILLED, Decimal(0)),
        "formula": Decimal("3.33"),
        "buckets": Decimal(64),
        "committed": Decimal(34),
        "fee": Decimal("0.55"),
    }


@pytest.mark.soak
def test_a_close_inside_the_window_accrues_what_was_delivered(book_home, tmp_path):
    home = book_home.copy(tmp_path / "home")
    home.record(*BOOK, contract())
    home.load(USAGE)
    close(home.lake, date(2026, 1, 4), "us")
    rows = home.rows(
        "select item_id, sum(debit - credit) from facts.journal_lines "
        "where account = 'unbilled_receivable' and contract_id = 'parts-main' group by 1"
    )
    # Until the fourth: no cpu, one peak of 12.5, four seats, the payment that is free.
    assert dict(rows)["buckets"] == 89
    assert dict(rows)["matrix"] == Decimal("58.50")
    assert dict(rows)["committed"] == 47
    assert dict(rows)["seats"] == 134


@pytest.mark.parametrize(
    ("item", "price", "fault"),
    [
        (
            "matrix",
            ITEMS["matrix"] | {"cells": [{"keys": {"unt": "gpu"}, "price": PER_UNIT}]},
            "item 'matrix': its price reads dimension 'unt', which meter 'units' does not have; "
            "did you mean 'unit'?",
        ),
        ("capacity", ITEMS["capacity"] | {"dimension": "zzz"}, "it has is_spot, unit"),
        ("fee", ITEMS["buckets"], "needs a meter with a `bucket`"),
        ("fee", ITEMS["seats"], "needs a meter of aggregation sum or prorated_sum"),
    ],
)
def test_a_price_that_its_meter_cannot_serve_is_refused(book_home, tmp_path, item, price, fault):
    home = book_home.copy(tmp_path / "home")
    document = json.loads(json.dumps(contract()))
    for one in document["items"]:
        if one["id"] == item:
            one["price"] = price
    if price["model"].startswith("prorated"):
        document["items"][-1]["meter"] = "peaks"
    with pytest.raises(BookFault, match=re.escape(fault)):
        home.record(*BOOK, document)


def test_an_estimate_has_amounts_where_one_quantity_is_enough(billed):
    asked = Asked(meter="paid", customer="parts", with_price=True)
    (row,) = estimate(billed.lake, asked)["rows"]
    assert (row["quantity"], row["amount"]) == (160, None)
