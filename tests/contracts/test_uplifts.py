"""Renewals that raise modifiers with the prices: by how much, from when, and which amounts."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from pydantic import ValidationError

from meterhouse.canonical import canonical_json
from meterhouse.contracts.modifiers import ItemModifiers
from meterhouse.contracts.planned import INDEXES, RENEWALS, Plans
from meterhouse.contracts.renewal import Renewal
from meterhouse.contracts.uplifts import raised, uplifts, with_raised

D = Decimal
YEAR = {
    **dict.fromkeys(RENEWALS.names()),
    "contract_id": "k",
    "renewal_kind": "uplift",
    "start_on": date(2024, 1, 1),
    "end_on": date(2025, 1, 1),
    "notice_days": 0,
}


def risen(raises=True, indexes=(), **fields):
    """What amounts are multiplied by, up to the middle of 2027."""
    plans = Plans(
        renewals=pl.DataFrame([{**YEAR, **fields}], schema=RENEWALS),
        indexes=pl.DataFrame(indexes, schema=INDEXES, orient="row"),
    )
    contracts = pl.DataFrame({"contract_id": ["k"], "raises_modifiers": [raises]})
    return uplifts(contracts, plans, date(2027, 7, 1))


def told(**modifiers):
    model = ItemModifiers.model_validate(modifiers)
    return canonical_json(model.model_dump(mode="json", by_alias=True))


def test_each_renewal_raises_what_the_one_before_it_raised():
    assert risen(percentage=D("0.1")).rows() == [
        ("k", date(2025, 1, 1), D("1.1")),
        ("k", date(2026, 1, 1), D("1.21")),
        ("k", date(2027, 1, 1), D("1.331")),
    ]


def test_modifiers_follow_the_index_and_its_cap_like_prices():
    rows = risen(cap=D("0.05"), indexes=[("k", date(2024, 9, 1), D("0.2"))])["factor"]
    assert rows.to_list() == [D("1.05")] * 3


def test_they_stay_where_the_renewal_does_not_say_so():
    assert risen(raises=False, percentage=D("0.1")).is_empty()


def test_amounts_of_a_period_rise_and_shares_quantities_and_caps_of_a_life_stay():
    given = told(
        discounts=[{"amount": "5", "cap_total": "50"}, {"percentage": "0.1", "cap": "7"}],
        minimum={"amount": "20"},
        maximum={"amount": "300.5"},
        commitment={"amount": "100", "overage_factor": "1.5"},
        included_quantity={"quantity": "10"},
    )
    assert raised(given, D("1.1")) == told(
        discounts=[{"amount": "5.5", "cap_total": "50"}, {"percentage": "0.1", "cap": "7.7"}],
        minimum={"amount": "22"},
        maximum={"amount": "330.55"},
        commitment={"amount": "110", "overage_factor": "1.5"},
        included_quantity={"quantity": "10"},
    )


def test_the_windows_of_a_term_have_its_amounts_and_others_keep_theirs():
    low = told(minimum={"amount": "20"})
    days = [date(2024, 12, 1), date(2025, 1, 1), date(2026, 2, 1), date(2026, 2, 1)]
    windows = pl.DataFrame(
        {
            "contract_id": ["k", "k", "k", "other"],
            "window_start_on": days,
            "modifiers": [low, low, low, low],
        }
    )
    found = with_raised(windows, risen(percentage=D("0.1")))["modifiers"].to_list()
    amounts = [ItemModifiers.model_validate_json(one).minimum.amount for one in found]
    assert amounts == [20, 22, D("24.2"), 20]


def test_it_is_for_a_renewal_that_raises():
    with pytest.raises(ValidationError, match="`uplift_applies_to` is for kind `uplift`"):
        Renewal.model_validate({"kind": "same", "uplift_applies_to": "prices"})
