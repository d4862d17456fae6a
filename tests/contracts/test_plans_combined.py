"""Phases, renewals, pauses and trials where two of them meet, and fees that are not flat."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from pydantic import ValidationError

from meterhouse.contracts.notices import contract_terms
from tests.contracts.planning import (
    API,
    SEATS,
    contract,
    frames,
    lines,
    read,
    recorded,
    shown,
    windows,
)

TIERED = {
    **SEATS,
    "quantity": "10",
    "price": {"model": "graduated", "tiers": [{"up_to": "5", "unit_amount": "2"},
                                              {"unit_amount": "1"}]},
}  # fmt: skip
ADVANCE = {**TIERED, "timing": "advance"}
MARCH = date(2024, 3, 1)
YEAR = {"end": "2025-01-01", "renewal": {"kind": "uplift", "percentage": "0.1"}}
LATER = {"id": "later", "from": "2024-02-01"}


def test_a_free_phase_frees_fees_of_every_price_model():
    told = contract(items=[ADVANCE], phases=[{"id": "free", "free": True}, LATER])
    assert shown(lines(told, MARCH)) == [("2024-02-01", "2024-03-01", "15")]


def test_a_phase_may_say_another_quantity_of_a_fee_with_tiers():
    grown = {**LATER, "items": {"seats": {"quantity": "20"}}}
    told = contract(items=[ADVANCE], phases=[{"id": "first"}, grown])
    assert [row[2] for row in shown(lines(told, MARCH))] == ["15", "25"]


def test_a_fee_with_tiers_is_paid_up_to_the_end_of_a_term_only():
    off = {"start": "2024-01-15", "anchor_day": 1, "end": "2024-02-15"}
    told = contract(items=[ADVANCE], renewal={"kind": "same"}, **off)
    edges = [row[:2] for row in shown(lines(told, MARCH))]
    assert ("2024-02-01", "2024-02-15") in edges
    assert ("2024-02-15", "2024-03-01") in edges


def test_a_fee_with_tiers_is_renewed_at_its_list_price():
    content = {
        "product": "seat",
        "currency": "EUR",
        "price": {"model": "per_unit", "unit_amount": "3", "per": "1"},
    }
    listed = ("price", "list", None, content)
    renewal = {"kind": "list_prices"}
    told = contract(items=[{**ADVANCE, "list_price": "list"}], **{**YEAR, "renewal": renewal})
    found = lines(told, date(2025, 2, 1), listed)
    assert [row[2] for row in shown(found)[-2:]] == ["15", "30"]


def test_what_a_year_costs_counts_fees_of_every_price_model():
    told = contract(items=[ADVANCE, {**SEATS, "id": "plain"}], **YEAR)
    contracts, items, series = frames(told)
    with recorded([("contract", "k", None, told.model_dump(mode="json", by_alias=True))]) as db:
        renewals = db.sql("from book.renewals").pl()
    first, *_ = contract_terms(contracts, items, renewals, series, date(2024, 6, 1)).to_dicts()
    assert (first["annual_value"], first["next_annual_value"]) == (300, Decimal("330"))


def test_raised_prices_of_fees_stay_exact_beside_fine_quantities():
    fine = {
        **SEATS,
        "quantity": "1.123456",
        "price": {"model": "per_unit", "unit_amount": "0.123456789"},
    }
    found = windows(contract(items=[fine], **YEAR), date(2025, 2, 1))
    assert '"0.135802468"' in found.sort("window_start_on")["price"].to_list()[-1]


@pytest.mark.parametrize(
    ("item", "terms", "sentence"),
    [
        (ADVANCE, {"price": {"model": "percentage", "rate": "0.1"}}, "from a fee into usage"),
        (API, {"price": {"model": "flat", "amount": "1"}}, "from usage into a fee"),
        (
            {**SEATS, "price": {"model": "per_unit", "unit_amount": "0.123456789"}},
            {"quantity": "0.1234567"},
            "16 decimals together",
        ),
    ],
)
def test_terms_of_a_phase_that_its_item_cannot_have_are_refused(item, terms, sentence):
    later = {**LATER, "items": {item["id"]: terms}}
    with pytest.raises(ValidationError, match=sentence):
        contract(items=[{"quantity": "1", **item} if item is not API else item],
                 phases=[{"id": "first"}, later])  # fmt: skip


def test_a_dated_price_that_a_renewal_cannot_raise_is_refused():
    text = "+".join(["quantity"] * 149)
    dated = {"from": "2024-05-01", "price": {"model": "formula", "formula": text}}
    item = {**API, "price": {"model": "formula", "formula": "quantity"}, "prices": [dated]}
    contract(items=[item], end="2025-01-01")
    with pytest.raises(ValidationError, match="cannot be raised at a renewal"):
        contract(items=[item], **YEAR)


@pytest.mark.parametrize(
    ("dated", "told"),
    [
        ({"quantities": [{"from": "2024-02-01", "quantity": "7"}]}, {"quantity": "5"}),
        (
            {"prices": [{"from": "2024-02-01", "price": {"model": "flat", "amount": "70"}}]},
            {"price": {"model": "flat", "amount": "50"}},
        ),
    ],
)
def test_a_phase_says_its_terms_again_after_a_dated_change_inside_the_phase_before(dated, told):
    phases = [
        {"id": "first", "items": {"seats": told}},
        {"id": "second", "from": "2024-03-01", "items": {"seats": told}},
    ]
    found = lines(contract(items=[{**SEATS, **dated}], phases=phases), MARCH.replace(day=2))
    assert [row[2] for row in shown(found)] == ["50", "70", "50"]


def test_a_pause_without_an_end_does_not_take_the_trial_away():
    pause = {"from": "2024-01-10", "extend": True}
    told = contract(trial={"until": "2024-02-01"}, pauses=[pause])
    assert shown(lines(told, date(2024, 6, 1))) == []
    resumed = contract(trial={"until": "2024-02-01"}, pauses=[{**pause, "until": "2024-01-20"}])
    assert shown(lines(resumed, date(2024, 2, 12))) == [("2024-02-11", "2024-03-11", "10")]


def test_a_commitment_of_a_term_waits_while_nobody_knows_when_the_term_is_over():
    least = {"id": "least", "amount": "1000", "period": "term", "until": "2024-07-01"}
    more = {"end": "2024-07-01", "modifiers": {"commitments": [least]}}
    pause = {"from": "2024-01-10", "extend": True}
    seen = {}
    for until in (None, "2024-02-01"):
        told = contract(pauses=[{**pause, "until": until} if until else pause], **more)
        seen[until] = frames(told)[0].select(
            pl.col("modifiers").str.json_path_match("$.commitments[0].until"), "end_on"
        ).row(0)  # fmt: skip
    assert seen == {None: (None, None), "2024-02-01": ("2024-07-23", date(2024, 7, 23))}


def test_an_amendment_before_a_renewal_is_raised_and_one_on_its_day_stands():
    def since(day):
        dearer = contract(items=[{**SEATS, "price": {"model": "flat", "amount": "20"}}], **YEAR)
        return [row[2] for row in shown(lines([(None, contract(**YEAR)), (day, dearer)],
                                              date(2026, 2, 1)))]  # fmt: skip

    assert since(date(2024, 12, 1))[10:13] == ["10", "20", "22"]
    assert (since(date(2025, 1, 1))[12], since(date(2025, 1, 1))[-1]) == ("20", "22")


def test_a_trial_that_was_not_given_is_none_that_a_later_contract_would_repeat():
    def tried(id, start, *products):
        items = [{**SEATS, "id": one, "product": one} for one in products]
        until = date.fromisoformat(start).replace(day=15).isoformat()
        told = contract(start=start, items=items, trial={"until": until})
        return ("contract", id, None, told.model_dump(mode="json", by_alias=True))

    contracts, *_ = read(
        [
            tried("first", "2024-01-01", "a"),
            tried("second", "2024-02-01", "a", "b"),
            tried("third", "2024-03-01", "b"),
            tried("fourth", "2024-04-01", "b"),
        ]
    )
    known = dict(contracts.select("contract_id", "trial_until").rows())
    given = {id for id, until in known.items() if until is not None}
    assert given == {"first", "third"}
