import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from meterhouse.canonical import canonical_json
from meterhouse.contracts.prices import Percentage, Price
from meterhouse.errors import UsageError
from meterhouse.money import round_half_away
from meterhouse.pricing.models import MODELS
from meterhouse.pricing.rating import rate_windows
from meterhouse.pricing.scalar import charge
from tests.pricing.prices import BY_EVENT, BY_QUANTITY, events, prices, quantities, scaled, windows

BOOK = TypeAdapter(Price)


def book(**price):
    """A price as the book holds it, with its defaults filled."""
    return BOOK.dump_python(BOOK.validate_python(price), mode="json")


def rated(price, quantity="0", values=()):
    frame = rate_windows(windows([(price, quantity)]), events([values]))
    return frame.row(0, named=True)


def amount(price, quantity="0", values=()):
    return rated(price, quantity, values)["amount_unrounded"]


def parts(values):
    return [{"quantity": Decimal(value)} for value in values]


def added(numbers):
    with localcontext(prec=60):  # 28 digits, as by default, round the largest sums.
        return sum(numbers, Decimal(0))


def sums_of_steps(result):
    """What the steps of each window add up to, and that they are canonical JSON."""
    read = [json.loads(steps) for steps in result["steps"]]
    assert result["steps"].to_list() == [canonical_json(steps) for steps in read]
    return [added(Decimal(step["amount"]) for step in steps) for steps in read]


@st.composite
def rows_of(draw, models):
    decimals = draw(st.integers(6, 12))
    price = draw(prices(draw(st.sampled_from(models)), decimals))
    return price, draw(quantities(draw(st.integers(0, 18 - decimals))))


@given(st.lists(rows_of(BY_QUANTITY), min_size=1, max_size=8))
def test_a_quantity_is_rated_as_the_obvious_charge_says(rows):
    result = rate_windows(windows(rows))
    amounts = [charge(price, quantity) for price, quantity in rows]
    assert result["amount_unrounded"].to_list() == sums_of_steps(result) == amounts
    assert result["amount"].to_list() == [round_half_away(one, 2) for one in amounts]


@st.composite
def rows_with_events(draw):
    price, _ = draw(rows_of(BY_EVENT))
    value = scaled(-9, 300, draw(st.integers(0, 6))) | scaled(0, 10**11, 6)
    return price, draw(st.lists(value, max_size=7))


@given(st.lists(rows_with_events(), min_size=1, max_size=6))
def test_events_are_rated_as_the_obvious_charge_says(rows):
    asked = windows([(price, added(values)) for price, values in rows])
    known = events([values or ["0"] for _, values in rows])
    result = rate_windows(asked, known)
    amounts = [charge(p, added(v), parts(v or ["0"])) for p, v in rows]
    assert result["amount_unrounded"].to_list() == sums_of_steps(result) == amounts


@pytest.mark.parametrize("model", [*BY_QUANTITY, *BY_EVENT])
def test_every_model_of_the_registry_is_tried(model):
    assert model in MODELS


@given(rows_of(("graduated", "graduated_percentage", "package", "overage", "dynamic")), st.data())
def test_more_of_it_never_costs_less(row, data):
    price, quantity = row
    more = quantity + data.draw(scaled(0, 10**4, 6))
    price |= {"bill_flat_on_zero": False} if "tiers" in price else {}
    assert charge(price, quantity) <= amount(price, more)


@settings(max_examples=40)
@given(
    prices("percentage", 6), st.lists(scaled(0, 300, 3), min_size=1, max_size=6), scaled(0, 9, 3)
)
def test_one_more_event_never_costs_less(price, values, another):
    assert amount(price, "0", values) <= amount(price, "0", [*values, another])


@settings(max_examples=40)
@given(prices("tiered_bps", 8), st.lists(scaled(0, 10**4, 3), max_size=5))
def test_without_caps_events_cost_what_their_sum_costs(price, values):
    tiers = [tier | {"per_event_cap": None} for tier in price["tiers"]]
    total = added(values)
    shares = [
        {
            "up_to": one["up_to"],
            "rate": format(Decimal(one["bps"]) / 10000, "f"),
            "flat_amount": "0",
        }
        for one in tiers
    ]
    walked = amount(price | {"tiers": tiers}, total, values)
    assert walked == amount(price | {"tiers": tiers}, total)
    graduated = {"model": "graduated_percentage", "tiers": shares, "bill_flat_on_zero": True}
    assert walked == amount(graduated, total)


@settings(max_examples=40)
@given(prices("stairstep"), quantities(6))
def test_stairs_are_volume_tiers_whose_units_cost_nothing(price, quantity):
    tiers = [tier | {"unit_amount": "0"} for tier in price["tiers"]]
    volume = price | {"model": "volume", "tiers": tiers}
    assert amount(price, quantity) == amount(volume, quantity)


@settings(max_examples=40)
@given(prices("overage", 6), quantities(6))
def test_overage_is_graduated_with_a_first_tier_that_is_free(price, quantity):
    tiers = [
        {"up_to": price["included_units"], "unit_amount": "0", "flat_amount": "0"},
        {"up_to": None, "unit_amount": price["unit_amount"], "flat_amount": "0"},
    ]
    graduated = {"model": "graduated", "tiers": tiers, "bill_flat_on_zero": True}
    assert amount(price, quantity) == amount(graduated, quantity)


TIERS = [
    {"up_to": "5", "flat_amount": "100"},
    {"up_to": "10", "flat_amount": "150"},
    {"up_to": "15", "unit_amount": "10"},
    {"up_to": None, "unit_amount": "5"},
]


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("-1", 0), ("0", 100), ("5", 100), ("5.001", 150), ("15", 150), ("16", 80), ("1000", 5000)],
)
def test_volume_prices_all_units_by_the_tier_of_the_whole_quantity(quantity, expected):
    assert amount(book(model="volume", tiers=TIERS), quantity) == expected


@pytest.mark.parametrize("model", ["volume", "stairstep", "graduated", "graduated_percentage"])
def test_the_first_flat_of_nothing_used_is_a_choice_of_the_price(model):
    own = {"graduated_percentage": {"rate": "0.1"}, "stairstep": {}}.get(
        model, {"unit_amount": "1"}
    )
    tiers = [{"up_to": None, "flat_amount": "7", **own}]
    assert amount(book(model=model, tiers=tiers)) == 7
    silent = rated(book(model=model, tiers=tiers, bill_flat_on_zero=False))
    assert (silent["amount"], silent["steps"]) == (0, "[]")
    assert amount(book(model=model, tiers=tiers), "-1") == 0


PACKED = [
    {"up_to": "1000", "package_size": "100", "package_amount": "1"},
    {"up_to": None, "package_size": "1000", "package_amount": "1"},
]


@pytest.mark.parametrize(("model", "expected"), [("graduated", 15), ("volume", 6)])
def test_packages_fill_up_in_each_tier_and_under_volume_once(model, expected):
    assert amount(book(model=model, tiers=PACKED), "5325") == expected


def test_a_cap_holds_the_whole_of_its_own_tier():
    tiers = [
        {"up_to": "10", "unit_amount": "1", "flat_amount": "5", "cap": "12"},
        {"up_to": None, "unit_amount": "1"},
    ]
    found = rated(book(model="graduated", tiers=tiers), "20")
    assert found["amount_unrounded"] == 22
    assert json.loads(found["steps"])[0] == {
        "amount": "12",
        "cap": "12",
        "flat_amount": "5",
        "from": "0",
        "quantity": "10",
        "step": "tier",
        "to": "10",
        "unit_amount": "1",
    }


@pytest.mark.parametrize(
    ("quantity", "up", "down"),
    [("0", 0, 0), ("10", 0, 0), ("10.000001", 8, 0), ("110", 8, 8), ("110.000001", 16, 8)],
)
def test_packages_are_counted_after_the_free_units(quantity, up, down):
    price = book(model="package", package_size="100", package_amount="8", free_units="10")
    assert amount(price, quantity) == up
    assert amount(price | {"rounding": "down"}, quantity) == down


def test_packages_of_a_size_that_does_not_divide_are_counted_exactly():
    price = book(model="package", package_size="0.3", package_amount="1")
    assert amount(price, "300000000000") == 10**12
    assert amount(price, "300000000000.000001") == 10**12 + 1
    assert amount(price | {"rounding": "down"}, "299999999999.999999") == 10**12 - 1


def test_what_is_included_costs_nothing_and_is_told():
    price = book(model="overage", included_units="1500", unit_amount="0.1")
    assert amount(price, "1500") == 0
    first, second = json.loads(rated(price, "1533")["steps"])
    assert (first["step"], first["quantity"], first["amount"]) == ("free", "1500", "0")
    assert (second["step"], second["quantity"], second["amount"]) == ("overage", "33", "3.3")


FEE = {"model": "percentage", "rate": "0.01", "fixed_amount": "5"}


@pytest.mark.parametrize(
    ("terms", "values", "expected"),
    [
        ({}, [], "0"),
        ({}, ["0", "0"], "0"),
        ({"bill_fixed_on_zero": True}, ["0", "0"], "10"),
        ({}, ["0", "100"], "11"),
        ({}, ["-50", "100"], "11"),
        ({"free_events": 3}, ["10", "10", "10", "10"], "5.1"),
        ({"free_amount": "15"}, ["4", "4", "4"], "0"),
        ({"free_amount": "15"}, ["4", "4", "4", "3"], "0"),
        ({"free_amount": "15"}, ["4", "4", "4", "4"], "5.01"),
        ({"free_amount": "15", "free_events": 3}, ["1", "1", "1", "1"], "5.01"),
        ({"free_amount": "15", "free_events": 3}, ["10", "10"], "5.05"),
        ({"min_per_event": "6", "max_per_event": "7"}, ["1", "100", "1000"], "19"),
        ({"min_per_event": "6", "free_events": 1}, ["1", "1"], "6"),
    ],
)
def test_a_percentage_walks_its_events_in_order(terms, values, expected):
    assert amount(book(**FEE, **terms), added(map(Decimal, values)), values) == Decimal(expected)


def test_a_percentage_tells_what_was_free_by_rate_by_event_and_by_limits():
    price = book(**FEE, free_events=1, min_per_event="5.5", max_per_event="9")
    steps = json.loads(rated(price, "0", ["7", "10", "500"])["steps"])
    assert [(step["step"], step["amount"]) for step in steps] == [
        ("free", "0"),
        ("rate", "5.1"),
        ("per_event", "10"),
        ("minimum_per_event", "0.4"),
        ("maximum_per_event", "-1"),
    ]


def test_events_count_in_the_order_of_their_numbers_whatever_the_order_of_rows():
    price = book(**FEE, free_amount="15")
    turned = events([["10", "4", "4", "4"]]).reverse()
    result = rate_windows(windows([(price, "22")]), turned)
    assert result["amount_unrounded"].item() == charge(price, Decimal(22), parts([10, 4, 4, 4]))


def test_the_sum_is_enough_where_nothing_is_said_of_single_events():
    whole = book(model="percentage", rate="0.05", free_amount="100")
    assert amount(whole, "1500") == 70 == amount(whole, "1500", ["80", "1420"])
    with pytest.raises(UsageError, match="1 windows have a quantity but no events"):
        amount(book(**FEE), "1500")
    assert amount(book(**FEE), "0") == 0


BPS = [
    {"up_to": "1000", "bps": "25", "per_event_cap": "2"},
    {"up_to": None, "bps": "10"},
]


@pytest.mark.parametrize(
    ("model", "values", "expected"),
    [
        ("bulk_bps", ["400", "600"], "2.5"),
        ("bulk_bps", ["400", "601"], "1.001"),
        ("bulk_bps", ["1000"], "2"),
        ("tiered_bps", ["400", "601"], "2.501"),
        ("tiered_bps", ["1000"], "2"),
        ("tiered_bps", ["1000", "500"], "2.5"),
        ("tiered_bps", ["1500"], "2.5"),
    ],
)
def test_the_upper_bound_of_value_lies_in_its_tier(model, values, expected):
    assert amount(book(model=model, tiers=BPS), "0", values) == Decimal(expected)


@pytest.mark.parametrize(
    ("price", "fault"),
    [
        ({"model": "volume", "tiers": [{"up_to": None}]}, "a tier needs one of"),
        ({"model": "volume", "tiers": [{"up_to": "5", "unit_amount": "1"}]}, "must be open"),
        ({"model": "volume", "tiers": [{"package_size": "5"}]}, "a tier needs one of"),
        (
            {"model": "graduated", "tiers": [{"package_size": "5", "unit_amount": "1"}]},
            "belong together",
        ),
        ({"model": "percentage", "rate": "5"}, "fraction from 0 to 1"),
        (FEE | {"min_per_event": "3", "max_per_event": "2"}, "is more than"),
        ({"model": "bps", "bps": "0.123456789"}, "more than 8 decimals"),
        ({"model": "package", "package_size": "0", "package_amount": "1"}, "greater than 0"),
    ],
)
def test_the_book_refuses(price, fault):
    with pytest.raises(ValidationError, match=fault):
        BOOK.validate_python(price)


@given(prices("percentage", 12))
def test_a_price_needs_events_for_all_but_a_rate_and_a_free_amount(price):
    said = Percentage.model_validate(price)
    whole = price | {"fixed_amount": "0", "free_events": 0}
    whole |= {"min_per_event": None, "max_per_event": None}
    assert not Percentage.model_validate(whole).reads_events
    if not said.reads_events:
        assert amount(price, "1000") == charge(price, Decimal(1000))
