import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.pricing.models import MODELS
from meterhouse.pricing.scalar import charge
from tests.pricing.part_prices import BY_PARTS, part_prices, parts_of
from tests.pricing.parted import amounts, event, lines, month_of, total
from tests.pricing.prices import BY_EVENT, BY_QUANTITY, prices, scaled

# Fees are charged by their share, and of prorated levels a part tells the level it begins with.
BY_LEVEL = ("prorated_graduated", "prorated_volume")


def tiers(*rows):
    """Tiers of (up_to, unit_amount, flat_amount)."""
    return [
        {"up_to": up_to, "unit_amount": unit, "flat_amount": flat} for up_to, unit, flat in rows
    ]


def tiered(model, *rows):
    return {"model": model, "bill_flat_on_zero": True, "tiers": tiers(*rows)}


OLD = tiered("graduated", ("100", "1", "5"), (None, "0.5", "7"))
NEW = tiered("graduated", ("100", "2", "50"), (None, "1", "70"))
PACKAGE = {
    "model": "package", "package_size": "10", "package_amount": "100", "free_units": "10",
    "rounding": "up",
}  # fmt: skip


@st.composite
def divided(draw, models):
    """A price, the days that cut its month and what each stretch used."""
    model = draw(st.sampled_from(models))
    days = sorted(draw(st.lists(st.integers(1, 30), unique=True, max_size=4)))
    return model, days


@settings(max_examples=60)
@given(divided(BY_QUANTITY), st.data())
def test_a_period_that_is_split_costs_what_the_whole_one_costs(case, data):
    model, days = case
    price = data.draw(prices(model, 6))
    used = data.draw(
        st.lists(scaled(-20, 10**4, 6), min_size=len(days) + 1, max_size=len(days) + 1)
    )
    found = lines(month_of(days, [price] * len(used), used))
    with localcontext(prec=60):
        whole = charge(price, sum(used, Decimal(0)))
        assert sum(found["amount_unrounded"].to_list(), Decimal(0)) == whole
        for amount, steps in found.select("amount_unrounded", "steps").rows():
            assert sum((Decimal(s["amount"]) for s in json.loads(steps)), Decimal(0)) == amount


@settings(max_examples=60)
@given(
    divided(tuple(m for m in (*BY_EVENT, *BY_PARTS) if m not in BY_LEVEL)),
    st.data(),
)
def test_a_period_whose_parts_are_split_costs_what_the_whole_one_costs(case, data):
    model, days = case
    if model in BY_EVENT:
        price = data.draw(prices(model, 4))
        value = scaled(0, 500, 3).map(event)
        lots = [data.draw(st.lists(value, max_size=4)) for _ in range(len(days) + 1)]
    else:
        price = data.draw(part_prices(model))
        lots = [data.draw(parts_of(model)) for _ in range(len(days) + 1)]
    used = [max(sum((p["quantity"] for p in own), Decimal(0)), Decimal(0)) for own in lots]
    parts = {str(number): own for number, own in enumerate(lots)}
    with localcontext(prec=60):
        whole = charge(price, Decimal(0), [part for own in lots for part in own])
        assert total(month_of(days, [price] * len(used), used), parts) == whole


@settings(max_examples=30)
@given(st.data())
def test_every_combination_of_dimensions_goes_on_for_itself_and_allowances_for_all(data):
    price = data.draw(prices(data.draw(st.sampled_from(("graduated", "volume", "package"))), 6))
    free = data.draw(scaled(0, 300, 2))
    days = sorted(data.draw(st.lists(st.integers(1, 30), unique=True, max_size=3)))
    modifiers = {"free_quantity": str(free), "included_quantity": {"quantity": "7.5"}}
    split, whole, left = [], [], free + Decimal("7.5")
    used = {
        name: data.draw(st.lists(scaled(0, 300, 3), min_size=len(days) + 1, max_size=len(days) + 1))
        for name in ("a", "b")
    }
    for name, own in used.items():
        key = {"dimensions": f'{{"d":"{name}"}}'}
        split += month_of(days, [price] * len(own), own, modifiers, **key)
        whole += month_of([], [price], [sum(own)], modifiers, **key)
    found, known = lines(split), lines(whole)
    # Which combination takes what of the allowance is by time; all of them take it once.
    for kind in (found, known):
        taken = [
            Decimal(step["quantity"])
            for steps in kind["steps"]
            for step in json.loads(steps)
            if step["step"] == "free" and step["to"] == f"{left.normalize():f}"
        ]
        wanted = sum((sum(own) for own in used.values()), Decimal(0))
        assert sum(taken, Decimal(0)) >= 0
        if price["model"] != "package":
            assert sum(taken, Decimal(0)) == min(wanted, left)


def test_a_new_price_takes_over_where_the_old_one_got_to():
    # 80 and 50: the first 20 of the second part end the tier of 100, whose flat was charged.
    assert amounts(month_of([15], [OLD, NEW], ["80", "50"])) == ["85", "140"]
    restart = month_of([15], [OLD, NEW], ["80", "50"], split_tiers="restart")
    assert amounts(restart) == ["85", "150"]


def test_a_tier_for_all_units_is_chosen_by_the_period_so_far_and_priced_for_the_part():
    old = tiered("volume", ("100", "1", "5"), (None, "0.5", "7"))
    new = tiered("volume", ("100", "2", "50"), (None, "1", "70"))
    # 130 units: the tier above 100, 50 units of the part at 1, and 70 - 50 for the flat.
    assert amounts(month_of([15], [old, new], ["80", "50"])) == ["85", "70"]
    # A third part with the new price crosses nothing more.
    assert amounts(month_of([10, 20], [old, new, new], ["80", "10", "40"]))[2] == str(70 - (10 * 2))


@pytest.mark.parametrize(
    ("model", "used", "wanted"),
    [
        # The package that the first part began is paid for.
        (PACKAGE, ("15", "5"), ["100", "0"]),
        ({"model": "overage", "included_units": "100", "unit_amount": "2"}, ("80", "50"),
         ["0", "60"]),
        ({"model": "stairstep", "bill_flat_on_zero": True,
          "tiers": [{"up_to": "100", "flat_amount": "10"}, {"up_to": None, "flat_amount": "40"}]},
         ("80", "50"), ["10", "30"]),
    ],
)  # fmt: skip
def test_packages_included_units_and_stairs_go_on(model, used, wanted):
    assert amounts(month_of([15], [model, model], used)) == wanted


def test_free_events_are_free_once_in_a_period():
    price = {
        "model": "percentage", "rate": "0.01", "fixed_amount": "1", "free_events": 3,
        "free_amount": "0", "min_per_event": None, "max_per_event": None,
        "bill_fixed_on_zero": False,
    }  # fmt: skip
    parts = {"0": [event("100")] * 2, "1": [event("100")] * 3}
    assert amounts(month_of([15], [price, price], ["200", "300"]), parts) == ["0", "4"]


def test_free_and_included_units_are_given_once_for_a_period():
    plain = {"model": "per_unit", "per": "1", "unit_amount": "1"}
    free = month_of([15], [plain, plain], ["60", "60"], {"free_quantity": "100"})
    assert amounts(free) == ["0", "20"]
    # 100 for the month, whatever its parts used of their days.
    included = {"included_quantity": {"quantity": "100"}}
    assert amounts(month_of([15], [plain, plain], ["90", "30"], included)) == ["0", "20"]
    alone = month_of([15], [plain, plain], ["60", "60"], {"free_quantity": "50"},
                     split_tiers="restart")  # fmt: skip
    assert amounts(alone) == ["10", "10"]


def test_a_conversion_rounds_the_period_and_not_each_of_its_parts():
    plain = {"model": "per_unit", "per": "1", "unit_amount": "1"}
    thousands = {"convert": {"op": "divide", "factor": "1000", "rounding": "up"}}
    assert amounts(month_of([15], [plain, plain], ["1300", "100"], thousands)) == ["2", "0"]


@pytest.mark.parametrize(
    ("aggregation", "wanted"),
    [
        ("sum", ["12", "13"]),
        ("max", ["12", "1"]),
        ("latest", ["12", "1"]),
        # Nobody knows how many of the users of the second part are those of the first.
        ("unique_count", ["12", "13"]),
        ("avg", ["12", "13"]),
    ],
)
def test_a_part_adds_what_its_meter_adds_to_the_period(aggregation, wanted):
    plain = {"model": "per_unit", "per": "1", "unit_amount": "1"}
    windows = month_of([15], [plain, plain], ["12", "13"], aggregation=aggregation)
    assert amounts(windows) == wanted
    assert lines(windows)["quantity"].to_list() == [12, 13]


@pytest.mark.parametrize(
    ("aggregation", "values", "silent", "wanted"),
    [
        ("latest", ["12", "0"], 1, ["12", "0"]),
        ("min", ["12", "0"], 1, ["12", "0"]),
        # Nothing before it: all that is measured is what the part adds.
        ("latest", ["0", "12"], 0, ["0", "12"]),
        ("min", ["0", "12"], 0, ["0", "12"]),
    ],
)
def test_a_part_in_which_nothing_was_measured_leaves_the_value_as_it_was(
    aggregation, values, silent, wanted
):
    plain = {"model": "per_unit", "per": "1", "unit_amount": "1"}
    windows = month_of([15], [plain, plain], values, aggregation=aggregation)
    told = [one | {"is_silent": number == silent} for number, one in enumerate(windows)]
    assert amounts(told) == wanted


def test_users_that_cannot_be_added_up_begin_anew():
    windows = month_of([15], [OLD, OLD], ["80", "50"], aggregation="unique_count")
    assert amounts(windows) == ["85", "55"]


def test_flat_amounts_of_prorated_levels_are_charged_once():
    price = {
        "model": "prorated_graduated", "bill_flat_on_zero": True,
        "tiers": tiers(("5", "10", "100"), (None, "5", "50")),
    }  # fmt: skip

    def half(units, days):
        return {**event(units), "weight_numerator": days, "weight_denominator": 31}

    # Five seats all month, two more from the second part on.
    parts = {"0": [half("5", 15)], "1": [half("5", 16), half("2", 16)]}
    whole = charge(price, Decimal(0), [half("5", 31), half("2", 16)])
    found = total(month_of([15], [price, price], ["5", "7"]), parts)
    assert abs(found - whole) <= Decimal("1E-17")


def test_a_window_of_a_whole_period_and_other_periods_know_nothing_of_it():
    february = {"period_start_on": month_of([], [OLD], ["0"])[0]["period_end_on"]}
    rows = month_of([15], [OLD, OLD], ["80", "50"])
    rows[1] |= {"period_start_on": february["period_start_on"], "window_id": "x"}
    rows[1]["period_end_on"] = rows[1]["period_start_on"].replace(month=3)
    assert sorted(amounts(rows)) == sorted(["85", "55"])


def test_the_steps_tell_what_came_before():
    second = lines(month_of([15], [OLD, NEW], ["80", "50"])).row(1, named=True)
    steps = json.loads(second["steps"])
    assert [step["step"] for step in steps] == ["earlier", "tier", "tier"]
    assert steps[0] == {
        "step": "earlier", "amount": "-210", "quantity": "80", "from": "0", "to": "80"
    }  # fmt: skip


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_is_tried_or_has_a_reason_not_to_be(model):
    assert model in (*BY_QUANTITY, *BY_EVENT, *BY_PARTS) or model == "flat"
