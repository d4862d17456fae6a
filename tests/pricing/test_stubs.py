import json
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json
from meterhouse.contracts.profile import Profile, resolved
from meterhouse.pricing.scalar import charge
from meterhouse.pricing.stubs import cut
from tests.pricing.part_prices import part_prices, parts_of
from tests.pricing.parted import FIRST, amounts, event, lines, month_of, total
from tests.pricing.prices import BY_QUANTITY, prices, scaled

FLAGS = ("tiers", "tier_flats", "included", "package")
GRADUATED = {
    "model": "graduated",
    "bill_flat_on_zero": True,
    "tiers": [
        {"up_to": "310", "unit_amount": "1", "flat_amount": "31"},
        {"up_to": None, "unit_amount": "0.5", "flat_amount": "62"},
    ],
}
PACKAGE = {
    "model": "package", "package_size": "31", "package_amount": "100", "free_units": "62",
    "rounding": "up",
}  # fmt: skip


def stub(price, quantity, flags, modifiers=None, first=15):
    """The window of a period that begins `first` days late."""
    row = month_of([], [price], [quantity], modifiers, stub_flags=flags)[0]
    return [row | {"window_start_on": FIRST + timedelta(first)}]


@pytest.mark.parametrize(
    ("price", "flags", "wanted"),
    [
        # 16 of 31 days: 160 units at 1, 40 at 0.5, and the flats whole.
        (GRADUATED, "+tiers", "273"),
        # 200 units at 1 and the first flat by share: 31 × 16/31.
        (GRADUATED, "+tier_flats", "216"),
        (GRADUATED, "+tiers +tier_flats", "228"),
        (GRADUATED, None, "231"),
        (GRADUATED, "-tiers -included", "231"),
        # 32 free units and packages of 16: 168 units are 11 packages.
        (PACKAGE, "+included +package", "1100"),
        (PACKAGE, "+included", "600"),
        (PACKAGE, "+package", "900"),
        ({"model": "overage", "included_units": "310", "unit_amount": "2"}, "+included", "80"),
        ({"model": "overage", "included_units": "310", "unit_amount": "2"}, None, "0"),
    ],
)
def test_a_stub_has_its_share_of_what_the_profile_says(price, flags, wanted):
    assert amounts(stub(price, "200", flags)) == [wanted]


@pytest.mark.parametrize(
    ("modifiers", "flags", "wanted"),
    [
        ({"minimum": {"amount": "310"}}, None, "160"),
        ({"minimum": {"amount": "310"}}, "-minimum", "310"),
        ({"minimum": {"amount": "310", "prorate": False}}, "+minimum", "310"),
        ({"maximum": {"amount": "31"}}, None, "16"),
        ({"maximum": {"amount": "31"}}, "-maximum", "31"),
        ({"commitment": {"amount": "310"}}, "-commitment", "310"),
        ({"commitment": {"amount": "310"}}, "+commitment", "160"),
        ({"included_quantity": {"quantity": "31"}}, None, "84"),
        ({"included_quantity": {"quantity": "31"}}, "-included", "69"),
    ],
)
def test_limits_of_items_are_cut_unless_the_item_or_the_profile_says_otherwise(
    modifiers, flags, wanted
):
    plain = {"model": "per_unit", "per": "1", "unit_amount": "1"}
    assert total(stub(plain, "100", flags, modifiers), column="amount") == Decimal(wanted)


def test_a_whole_period_is_never_cut_also_where_a_change_divides_it():
    flags = "+tiers +tier_flats +included +package"
    whole = amounts(month_of([], [GRADUATED], ["500"], stub_flags=flags))
    assert [Decimal(one) for one in whole] == [charge(GRADUATED, Decimal(500))]
    split = month_of([10], [GRADUATED, GRADUATED], ["300", "200"], stub_flags=flags)
    assert total(split) == Decimal(whole[0])


def test_the_parts_of_a_stub_share_its_bounds_or_each_has_its_own_where_tiers_restart():
    rows = month_of([15, 23], [GRADUATED] * 3, ["0", "100", "100"], stub_flags="+tiers")[1:]
    # 160 units at 1 and 40 at 0.5, once; flats 31 and 62.
    assert total(rows) == Decimal(273)
    alone = [row | {"split_tiers": "restart"} for row in rows]
    assert amounts(alone) == ["183", "183"]


@settings(max_examples=40)
@given(st.data(), st.integers(1, 30), st.sets(st.sampled_from(FLAGS), min_size=1))
def test_a_stub_costs_what_the_price_with_its_share_costs(data, late, flags):
    price = data.draw(prices(data.draw(st.sampled_from(BY_QUANTITY)), 6))
    used = data.draw(scaled(0, 10**4, 6))
    share = Fraction(31 - late, 31)
    known = cut(price, share, dict.fromkeys(flags, True))
    text = " ".join(f"+{flag}" for flag in sorted(flags))
    assert total(stub(price, used, text, first=late)) == charge(known, used)


@settings(max_examples=30)
@given(st.data(), st.sampled_from(("matrix", "two_dimensional", "capacity")))
def test_prices_inside_prices_are_cut_too(data, model):
    price, parts = data.draw(part_prices(model)), data.draw(parts_of(model))
    flags = "+included +package +tier_flats +tiers"
    used = max(sum((part["quantity"] for part in parts), Decimal(0)), Decimal(0))
    known = cut(price, Fraction(16, 31), dict.fromkeys(FLAGS, True))
    assert total(stub(price, used, flags), {"0": parts}) == charge(known, Decimal(0), parts)


def test_a_cell_of_a_matrix_is_cut():
    inside = {"model": "overage", "included_units": "31", "unit_amount": "1"}
    price = {"model": "matrix", "cells": [{"keys": {"r": ["eu"]}, "price": inside}],
             "default": inside}  # fmt: skip
    parts = {"0": [event("20", r="eu"), event("20", r="us")]}
    assert amounts(stub(price, "40", "+included"), parts) == ["8"]


def test_bounds_are_rounded_within_the_scale_that_products_keep():
    fine = json.loads(canonical_json(GRADUATED))
    fine["tiers"][0]["unit_amount"] = "0.000000000001"
    known = cut(fine, Fraction(16, 30), {"tiers": True})
    assert known["tiers"][0]["up_to"] == "165.333333"
    small = cut({**PACKAGE, "package_size": "0.000000000001"}, Fraction(1, 31), {"package": True})
    assert Decimal(small["package_size"]) > 0


def test_buckets_and_prorated_levels_are_as_they_are():
    price = {"model": "bucketed", "price": GRADUATED}
    assert cut(price, Fraction(1, 2), dict.fromkeys(FLAGS, True)) == price


def test_the_profile_says_it_for_a_contract_or_its_customer():
    one = resolved(Profile(prorate_tiers=True), Profile(prorate_tiers=False, prorate_package=True))
    assert (one.prorate_tiers, one.prorate_package, one.prorate_minimum) == (True, True, None)
    assert (one.split_tiers, resolved().split_tiers) == ("continue", "continue")
    assert "prorate_tiers" not in Profile().model_dump()


def test_lines_say_nothing_of_how_they_were_cut_but_their_steps_do():
    row = lines(stub(GRADUATED, "200", "+tiers")).row(0, named=True)
    assert row["quantity"] == 200
    assert json.loads(row["steps"])[0]["to"] == "160"
