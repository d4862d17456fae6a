import json
from datetime import date, timedelta
from decimal import Decimal
from typing import get_args

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from meterhouse.canonical import canonical_json
from meterhouse.contracts.planned import RENEWALS, Plans
from meterhouse.contracts.prices import Price
from meterhouse.contracts.scaling import FACTOR, MONEY, scaled
from meterhouse.contracts.terms import effective_ends
from meterhouse.pricing.scalar import charge
from tests.contracts.planning import (
    API,
    SEATS,
    contract,
    costing,
    cut,
    frames,
    lines,
    shown,
    windows,
)
from tests.pricing.prices import BY_QUANTITY, prices

YEAR = {"start": "2024-01-01", "end": "2025-01-01"}
UPLIFT = {"kind": "uplift", "percentage": "0.05"}


def of_year(found, year):
    """What starts in January of a year."""
    return shown(found.filter(pl.col("window_start_on") == date(year, 1, 1)))[0][2]


def test_a_contract_that_does_not_renew_ends():
    for told in (contract(**YEAR), contract(**YEAR, renewal={"kind": "none"})):
        assert lines(told, date(2026, 1, 1))["window_end_on"].max() == date(2025, 1, 1)


def test_the_same_terms_go_on_as_if_there_were_no_end():
    told = contract(**YEAR, renewal={"kind": "same"}, items=[SEATS, API])
    open_ended = contract(start="2024-01-01", items=[SEATS, API])
    assert windows(told, date(2027, 1, 1)).equals(windows(open_ended, date(2027, 1, 1)))


def test_a_renewal_raises_the_prices_of_its_terms_and_leaves_those_before():
    found = lines(contract(**YEAR, renewal=UPLIFT), date(2027, 2, 1))
    assert [of_year(found, year) for year in (2024, 2025, 2026, 2027)] == [
        "10", "10.5", "11.03", "11.58"
    ]  # fmt: skip
    # Renewed prices are exact; only lines are rounded: 10 x 1.05 x 1.05.
    assert found.filter(pl.col("window_start_on") == date(2026, 1, 1))["price"].to_list() == [
        '{"amount":"11.025","model":"flat"}'
    ]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"index": [{"from": "2024-10-01", "percentage": "0.08"}]}, ["10.8", "10.8"]),
        (
            {"index": [{"from": "2024-10-01", "percentage": "0.08"},
                       {"from": "2025-10-01", "percentage": "0.01"}], "cap": "0.05"},
            ["10.5", "10.61"],
        ),
        (
            {"index": [{"from": "2023-10-01", "percentage": "0.08"}], "floor": "0.02"},
            ["10.2", "10.4"],
        ),
    ],
)  # fmt: skip
def test_an_index_is_taken_by_the_next_renewal_within_cap_and_floor(limits, expected):
    told = contract(**YEAR, renewal={"kind": "uplift", **limits})
    found = lines(told, date(2026, 2, 1))
    assert [of_year(found, year) for year in (2025, 2026)] == expected


def test_terms_that_follow_may_be_shorter_and_only_so_many():
    quarter = {"term": {"every": 3, "unit": "month"}, "max_terms": 2}
    told = contract(**YEAR, renewal={**UPLIFT, **quarter})
    found = lines(told, date(2027, 1, 1))
    assert [row[2] for row in shown(found)[11:]] == ["10", *["10.5"] * 3, *["11.03"] * 3]
    assert told.effective_end == date(2025, 7, 1)


@pytest.mark.parametrize(
    ("declined", "end"),
    [("2024-11-01", "2025-01-01"), ("2024-11-02", "2025-01-01"), ("2024-11-03", "2026-01-01")],
)
def test_notice_after_its_deadline_holds_for_the_next_term(declined, end):
    told = contract(**YEAR, renewal={"kind": "same", "notice_days": 60, "declined_on": declined})
    assert str(told.effective_end) == end
    assert str(lines(told, date(2028, 1, 1))["window_end_on"].max()) == end


def test_notice_never_changes_a_line_of_what_was_billed_before():
    off_anchor = {"start": "2024-01-15", "end": "2025-01-15", "anchor_day": 1}
    unknown = contract(**off_anchor, renewal=UPLIFT)
    declined = contract(**off_anchor, renewal={**UPLIFT, "declined_on": "2025-01-15"})
    before, after = (lines(one, date(2025, 3, 1)) for one in (unknown, declined))
    kept = before.filter(pl.col("window_start_on") < date(2025, 1, 15))
    assert kept.select("window_id", "amount").equals(after.select("window_id", "amount"))
    # January is paid up to the end of the term, and from there on at the price of the new one.
    assert shown(before)[-3:] == [
        ("2025-01-01", "2025-01-15", "4.52"),
        ("2025-01-15", "2025-02-01", "5.76"),
        ("2025-02-01", "2025-03-01", "10.5"),
    ]


def test_list_prices_are_those_in_force_on_the_day_of_the_renewal():
    def listed(amount, on):
        price = {"model": "flat", "amount": amount}
        content = {"product": "seat", "currency": "EUR", "price": price}
        return ("price", "seat-list", date.fromisoformat(on), content)

    listed_item = {**SEATS, "id": "a", "list_price": "seat-list"}
    told = contract(**YEAR, renewal={"kind": "list_prices"}, items=[SEATS, listed_item])
    found = lines(
        told, date(2026, 2, 1), listed("10", "2023-01-01"), listed("12", "2024-07-01"),
        listed("13", "2025-02-01"), listed("14", "2026-01-02"),
    )  # fmt: skip
    own = found.filter(pl.col("item_id") == "a")
    assert [of_year(own, year) for year in (2024, 2025, 2026)] == ["10", "12", "13"]
    assert of_year(found.filter(pl.col("item_id") == "seats"), 2026) == "10"


def test_what_the_contract_says_for_a_later_day_stands_and_is_raised_next():
    dated = {
        **SEATS,
        "prices": [
            {"from": "2025-01-01", "price": {"model": "flat", "amount": "20"}},
            {"from": "2026-07-01", "price": {"model": "flat", "amount": "40"}},
        ],
    }
    found = lines(contract(**YEAR, renewal=UPLIFT, items=[dated]), date(2027, 2, 1))
    assert [of_year(found, year) for year in (2025, 2026, 2027)] == ["20", "21", "42"]


def test_a_later_slot_that_names_another_price_is_not_raised_by_renewals_before_it():
    def slot(**fields):
        return contract(**YEAR, renewal=UPLIFT, items=[{**SEATS, **fields}])

    july = date(2025, 7, 1)
    told = lines([(None, slot()), (july, slot(price={"model": "flat", "amount": "30"}))], july
                 + timedelta(230))  # fmt: skip
    kept = lines([(None, slot()), (july, slot(description="Chairs"))], july + timedelta(230))
    assert [of_year(told, 2025), of_year(told, 2026)] == ["10.5", "31.5"]
    assert [of_year(kept, 2025), of_year(kept, 2026)] == ["10.5", "11.03"]


@settings(max_examples=8)
@given(st.lists(st.integers(0, 1500), min_size=1, max_size=4), st.booleans())
def test_runs_up_to_any_day_find_the_same_windows(days, in_advance):
    """A renewal needs no command and no clock: a window is the same whenever it is found."""
    item = {**SEATS, "cadence": "quarterly", "timing": "advance" if in_advance else "arrears"}
    told = contract(
        start="2024-01-15", end="2024-12-20", anchor_day=1, items=[item],
        renewal={**UPLIFT, "index": None, "term": {"every": 7, "unit": "month"}},
    )  # fmt: skip
    known = frames(told)

    def found_on(horizon):
        return costing(cut(known, horizon)).select("window_id", "amount", "window_start_on")

    whole = found_on(date(2028, 3, 1))
    for day in days:
        horizon = date(2024, 1, 15) + timedelta(day)
        assert found_on(horizon).equals(whole.filter(pl.col("window_start_on") < horizon))


LENGTHS = st.none() | st.fixed_dictionaries(
    {
        "every": st.integers(1, 14),
        "unit": st.sampled_from(["day", "week", "month", "year"]),
    }
)


@given(
    st.dates(date(2024, 1, 1), date(2024, 12, 31)),
    st.integers(20, 800),
    LENGTHS,
    st.integers(0, 90),
    st.none() | st.integers(-50, 2000),
    st.none() | st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=2),
)
def test_a_contract_ends_on_the_day_its_document_says(
    start, length, term, notice, declined, most, pauses
):
    end = start + timedelta(length)
    told, day = [], start
    for gap, days in pauses:
        day += timedelta(gap + 1)
        told.append({"from": day, "until": day + timedelta(days), "extend": True})
        day += timedelta(days)
    renewal = {
        "kind": "same", "term": term, "notice_days": notice, "max_terms": most,
        "declined_on": None if declined is None else start + timedelta(declined),
    }  # fmt: skip
    one = contract(start=start, end=end, renewal=renewal, pauses=told or None)
    row = {
        "contract_id": "k", "renewal_kind": "same", "start_on": start, "end_on": end,
        "term_every": term and term["every"], "term_unit": term and term["unit"],
        "notice_days": notice, "declined_on": renewal["declined_on"], "max_terms": most,
        "percentage": None, "cap": None, "floor": None,
    }  # fmt: skip
    extensions = pl.DataFrame(
        [("k", p["from"], p["until"], n) for n, p in enumerate(told, 1)],
        schema=Plans().extensions.schema, orient="row",
    )  # fmt: skip
    found = effective_ends(pl.DataFrame([row], RENEWALS), extensions)
    assert found["end_on"].to_list() == [one.effective_end]


@given(st.data(), st.integers(1, 60), st.decimals(0, 10**6, places=3))
def test_a_raised_price_charges_that_much_more_for_any_quantity(data, percent, quantity):
    model = data.draw(
        st.sampled_from([one for one in BY_QUANTITY if one != "graduated_percentage"])
    )
    price = data.draw(prices(model, decimals=4))
    price = json.loads(canonical_json(price).replace('"-', '"'))
    factor = 1 + Decimal(percent) / 100
    before, after = charge(price, quantity), charge(json.loads(raised(price, factor)), quantity)
    # Flat amounts are rounded to 12 decimals, for each tier and package that is charged.
    assert abs(after - before * factor) <= Decimal("1E-9") * (1 + quantity)


def raised(price, factor):
    return scaled(canonical_json(price), factor)


PARTS = {
    "percentage": {"rate": "0.02", "fixed_amount": "0.3", "free_amount": "5",
                   "min_per_event": "0.1", "max_per_event": "9"},
    "bps": {"bps": "25", "per_event_cap": "3"},
    "capacity": {"tiers": [{"limits": {"gb": "5"}, "amount": "10"}, {"amount": "20"}]},
    "matrix": {"cells": [{"keys": {"r": "eu"}, "price": {"model": "per_unit",
                                                         "unit_amount": "0.1"}}]},
    "windowed_commitment": {"default": {"price": {"model": "per_unit", "unit_amount": "0.1"},
                                        "commitment_amount": "5", "overage_factor": "1.5"}},
    "formula": {"formula": "quantity * rate - 3", "constants": {"rate": "0.2"}},
}  # fmt: skip
RAISED = {
    "percentage": {"rate": "0.0204", "fixed_amount": "0.306", "free_amount": "5",
                   "min_per_event": "0.102", "max_per_event": "9.18"},
    "bps": {"bps": "25.5", "per_event_cap": "3.06"},
    "capacity": {"tiers": [{"limits": {"gb": "5"}, "amount": "10.2"}, {"amount": "20.4"}]},
    "matrix": {"cells": [{"keys": {"r": "eu"}, "price": {"model": "per_unit",
                                                         "unit_amount": "0.102"}}]},
    "windowed_commitment": {"default": {"price": {"model": "per_unit", "unit_amount": "0.102"},
                                        "commitment_amount": "5.1", "overage_factor": "1.5"}},
    "formula": {"formula": f"max(quantity * rate - 3, 0) * {FACTOR}",
                "constants": {"rate": "0.2", FACTOR: "1.02"}},
}  # fmt: skip


@pytest.mark.parametrize("model", PARTS)
def test_money_of_a_price_is_raised_and_bounds_and_counts_are_not(model):
    other = raised({"model": model, **RAISED[model]}, Decimal(1))
    if model == "formula":
        found = json.loads(raised({"model": model, **PARTS[model]}, Decimal("1.02")))
        assert found == {"model": model, "quantities": {}, **RAISED[model]}
        twice = json.loads(raised(found, Decimal("1.5")))
        assert twice["constants"][FACTOR] == "1.53"
        assert twice["formula"] == found["formula"]
    else:
        assert raised({"model": model, **PARTS[model]}, Decimal("1.02")) == other


def test_raised_prices_keep_to_the_decimals_that_their_meter_leaves():
    price = {"model": "per_unit", "unit_amount": "0.333333", "per": "1000"}
    assert '"unit_amount":"0.343"' in scaled(canonical_json(price), Decimal("1.03"), 6)
    package = {"model": "package", "package_size": "3", "package_amount": "0.123456"}
    assert '"package_amount":"0.12715968"' in scaled(canonical_json(package), Decimal("1.03"), 6)


def test_every_number_of_a_price_is_known_to_be_money_or_not():
    """A new field is refused here until somebody says whether a renewal raises it."""
    kept = {
        *("per", "package_size", "free_units", "included_units", "up_to", "free_amount"),
        *("commitment_quantity", "overage_factor"),
    }
    seen, todo = set(), list(get_args(get_args(Price)[0]))
    while todo:
        model = todo.pop()
        if model in seen:
            continue
        seen.add(model)
        for name, field in model.model_fields.items():
            inside = parts_of(field.annotation)
            todo += [one for one in inside if isinstance(one, type) and issubclass(one, BaseModel)]
            if Decimal in inside and name not in {"limits", "constants"}:
                assert (name in MONEY.get(model, ())) != (name in kept), (model, name)
    assert set(MONEY) <= seen


def parts_of(annotation):
    inner = get_args(annotation)
    return [annotation, *(part for one in inner for part in parts_of(one))]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"renewal": {"kind": "uplift"}, **YEAR}, "needs either a `percentage` or an `index`"),
        ({"renewal": {"kind": "same", "cap": "0.1"}, **YEAR}, "`cap` is for kind `uplift`"),
        ({"renewal": {**UPLIFT, "cap": "0.1", "floor": "0.2"}, **YEAR}, "`floor` is more than"),
        ({"renewal": {**UPLIFT, "percentage": "5"}, **YEAR}, "write '0.19' for 19 %"),
        ({"renewal": {"kind": "none", "max_terms": 3}, **YEAR}, "ends the contract"),
        ({"renewal": {"kind": "same"}}, "what happens at `end`, which is missing"),
    ],
)
def test_renewals_are_refused_for(fields, sentence):
    with pytest.raises(ValidationError, match=sentence):
        contract(**fields)


def test_a_formula_that_is_too_long_to_be_raised_is_refused_with_the_contract():
    long = {"model": "formula", "formula": " + ".join(["quantity"] * 150)}
    item = {**API, "price": long}
    with pytest.raises(ValidationError, match="cannot be raised at a renewal"):
        contract(**YEAR, renewal=UPLIFT, items=[item])
    assert contract(**YEAR, items=[item]).items[0].id == "api"
