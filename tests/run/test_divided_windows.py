"""Periods that a change divides and fees with tiers, from the book to documents, and once more."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from rich.console import Console

from meterhouse.cli.tree import tree_of
from meterhouse.errors import BookFault
from meterhouse.run.asked_spans import Asked
from meterhouse.run.estimates import estimate
from meterhouse.run.explain import explain
from meterhouse.run.rebuild import rebuild
from meterhouse.run.scratch import scratch_run
from meterhouse.run.shadows import measure_shadows
from tests.truth.events import request

# Many runs of a home; the cases are held by tests/conformance.
pytestmark = [pytest.mark.slow, pytest.mark.soak]
CUSTOMER = {
    "kind": "customer",
    "id": "div",
    "name": "Divided",
    "tax": {"treatment": "out_of_scope", "reason": "Not taxable"},
    "profile": {"prorate_tiers": True, "prorate_quantity": "full"},
}
NEVER = {"kind": "meter", "id": "users", "event_type": "request", "aggregation": "max",
         "property": "tokens", "unit": "token"}  # fmt: skip


def tiers(first, second, bound="100"):
    return {
        "model": "graduated",
        "tiers": [{"up_to": bound, "unit_amount": first}, {"unit_amount": second}],
    }


ITEMS = [
    {
        "id": "api", "description": "API", "meter": "tokens", "shared": True,
        "price": tiers("1", "0.5"),
        "prices": [{"from": "2025-10-16", "price": tiers("2", "1.5")}],
        "modifiers": {"free_quantity": "20"},
    },
    {
        "id": "peak", "description": "Peak", "meter": "users", "shared": True,
        "price": {"model": "per_unit", "unit_amount": "1"},
        "prices": [
            {"from": "2025-10-16", "price": {"model": "per_unit", "unit_amount": "3"}}
        ],
    },
    {
        "id": "seats", "description": "Seats", "quantity": "8", "price": tiers("10", "8", "10"),
        "quantities": [{"from": "2025-10-11", "quantity": "14"}],
    },
    {
        "id": "setup", "description": "Square", "timing": "arrears", "quantity": "3",
        "price": {"model": "formula", "formula": "quantity * quantity"},
        "from": "2025-10-16", "until": "2025-11-01",
    },
]  # fmt: skip
CONTRACT = {
    "kind": "contract", "id": "div-main", "customer": "div", "entity": "us", "currency": "USD",
    "zone": "UTC", "start": "2025-10-01", "payment_terms": "net30", "items": ITEMS,
}  # fmt: skip
BILLED = """
select item_id, component, window_start_on::varchar, sum(amount)::decimal(12, 2)::varchar
from facts.billed_lines where contract_id = 'div-main' and window_start_on < '2025-11-01' and {when}
group by all order by all
"""
FIRST = [
    # 60 tokens of 70 free 20 cost 40 × 1 …
    ("api", "usage", "2025-10-01", "40.00"),
    # … and of 80 more 60 end the first tier at 2, 20 are above it at 1.5.
    ("api", "usage", "2025-10-16", "150.00"),
    # The highest of the month was 60, then 80: 20 more at the new price.
    ("peak", "usage", "2025-10-01", "60.00"),
    ("peak", "usage", "2025-10-16", "60.00"),
    ("seats", "fee", "2025-10-01", "80.00"),
    # Six more are charged whole: two at 10 and four at 8.
    ("seats", "fee", "2025-10-11", "52.00"),
    # 9 for a full period, 16 of 31 days.
    ("setup", "fee", "2025-10-16", "4.65"),
]
# 30 more in the first part: at 1 there; then 30 fewer of the second are at 2 and more at 1.5.
LATE = [("api", "usage", "2025-10-01", "30.00"), ("api", "usage", "2025-10-16", "-15.00")]


def billed(home, when="true"):
    return home.rows(BILLED.format(when=when))


@pytest.fixture(scope="module")
def divided(book_home, tmp_path_factory):
    """The contract billed to the end of October, once more, and again with late usage."""
    home = book_home.copy(tmp_path_factory.mktemp("divided") / "home")
    home.record(CUSTOMER, NEVER, CONTRACT)
    home.load([request("d1", "div", "2025-10-05T10:00:00Z", 60)])
    home.load([request("d2", "div", "2025-10-20T10:00:00Z", 80)])
    home.outcomes = [home.issue(date(2025, 11, 1)), home.issue(date(2025, 11, 1))]
    home.load([request("d3", "div", "2025-10-06T10:00:00Z", 30)])
    home.outcomes += [home.issue(date(2025, 12, 1))]
    return home


def test_tiers_free_units_and_levels_go_on_over_a_change_of_price(divided):
    assert billed(divided, "not is_correction") == FIRST
    assert divided.outcomes[0].failed == set()


def test_a_second_run_bills_nothing_more(divided):
    assert divided.outcomes[1].issued.numbers == ()


def test_late_usage_in_an_earlier_part_rates_the_later_ones_anew(divided):
    assert billed(divided, "is_correction") == LATE


@pytest.mark.soak
@pytest.mark.parametrize("level", ["determinants", "events"])
def test_every_document_is_rebuilt_byte_for_byte(divided, level):
    numbers = [n for one in divided.outcomes for n in one.issued.numbers]
    assert numbers
    for one in rebuild(divided.lake, numbers, level):
        assert (one.is_identical, one.path) == (True, None), one


def test_explain_tells_what_came_before_a_part(divided):
    numbers = divided.rows(
        "select number from facts.documents where customer_id = 'div' order by boundary_on"
    )
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        for (number,) in numbers:
            console.print(tree_of(explain(divided.lake, number)))
    told = " ".join(captured.get().split())
    assert "step earlier" in told
    assert "step charged_before" in told
    assert "step part" in told


@pytest.mark.parametrize(("meter", "costs"), [("tokens", [70, 135]), ("users", [60, 60])])
def test_an_estimate_of_a_part_costs_what_the_run_bills(divided, meter, costs):
    month = Asked(meter, "div", date(2025, 10, 1), date(2025, 11, 1), "window", with_price=True)
    assert [one["amount"] for one in estimate(divided.lake, month)["rows"]] == costs
    # Also where only the last part is asked for.
    (last,) = estimate(divided.lake, replace(month, start=date(2025, 10, 16)))["rows"]
    assert last["amount"] == costs[1]


@pytest.mark.soak
def test_both_sides_of_a_shadow_cost_what_a_run_would_bill_by_them(divided, tmp_path):
    home = divided.copy(tmp_path / "home")
    home.record({**NEVER, "id": "beside", "aggregation": "sum", "shadow_of": "tokens"})
    home.issue(date(2025, 12, 1))
    known = home.lake.head().batch_seq
    with (
        scratch_run(home.lake, date(2025, 12, 1), known, copy=True) as run,
        run.warehouse.connect(run.pin, run.known_at) as db,
    ):
        measure_shadows(run, db)
        rows = db.execute(
            "select side, window_start_on::varchar, lines.amount::decimal(12, 2)::varchar "
            "from billing.shadow_lines as lines join billing.charge_windows using (window_id) "
            "where contract_id = 'div-main' and window_start_on < '2025-11-01' order by 1, 2"
        ).fetchall()
    months = [("2025-10-01", "70.00"), ("2025-10-16", "135.00")]
    assert rows == [(side, *one) for side in ("live", "shadow") for one in months]


def test_a_stub_has_its_share_of_the_tiers_and_restart_begins_them_anew(home):
    stub = {**ITEMS[0], "modifiers": None, "prices": None}
    api = {key: value for key, value in stub.items() if value is not None}
    again = {**api, "id": "again", "prices": ITEMS[0]["prices"]}
    home.record(
        CUSTOMER,
        {**CONTRACT, "id": "div-stub", "anchor_day": 1, "start": "2025-10-17", "items": [api]},
        {**CONTRACT, "items": [again], "profile": {"split_tiers": "restart"}},
    )
    home.load([request("s1", "div", "2025-10-05T10:00:00Z", 90)])
    home.load([request("s2", "div", "2025-10-20T10:00:00Z", 60)])
    home.issue(date(2025, 11, 1))
    rows = home.rows(
        "select contract_id, window_start_on::varchar, sum(amount)::decimal(12, 6)::varchar "
        "from facts.billed_lines where contract_id like 'div-%' group by all order by all"
    )
    # 15 of 31 days: 48.387097 units at 1, the rest of 60 at 0.5. By parts 15/31 and 16/31 of 100.
    first, second = Decimal("48.387097"), Decimal("51.612903")
    by_part = [first + (90 - first) / 2, second * 2 + (60 - second) * Decimal("1.5")]
    wanted = [*by_part, first + (60 - first) / 2]
    assert [Decimal(row[2]) for row in rows] == [round(one, 2) for one in wanted]


def test_a_price_that_reads_a_meter_is_no_fee(home):
    item = {"id": "x", "description": "X", "quantity": "2", "price": {"model": "dynamic"}}
    with pytest.raises(BookFault) as caught:
        home.record(CUSTOMER, {**CONTRACT, "items": [item]})
    assert "price model `dynamic` reads a meter; fees may have flat, per_unit" in str(caught.value)
