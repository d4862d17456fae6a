"""The laws of the prices on many more random contracts than a normal run has time for."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhouse.pricing.models import MODELS
from tests.contracts import test_amendments as amendments
from tests.pricing import test_models as models
from tests.pricing import test_part_models as part_models
from tests.pricing import test_rating as rating
from tests.pricing.part_prices import BY_PARTS
from tests.pricing.prices import BY_EVENT, BY_QUANTITY

MANY = int(os.environ.get("METERHOUSE_SOAK_PRICES", "5000"))


def law(examples, *strategies):
    """The property again, with new examples each time."""
    many = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return lambda claim: pytest.mark.soak(many(given(*strategies)(claim)))


def check(claim, *drawn):
    """The assertions of a property on what was drawn for it."""
    claim.hypothesis.inner_test(*drawn)


def test_every_model_has_random_prices():
    # `flat` has days and no quantity: tests/pricing/test_rating.py tries it.
    assert set(MODELS) == {"flat", *BY_QUANTITY, *BY_EVENT, *BY_PARTS}


@law(MANY, st.lists(models.rows_of(BY_QUANTITY), min_size=1, max_size=8))
def test_soak_a_quantity_is_rated_as_the_obvious_charge_says(rows):
    check(
        models.test_a_quantity_is_rated_as_the_obvious_charge_says,
        rows,
    )


@law(MANY, st.lists(models.rows_with_events(), min_size=1, max_size=6))
def test_soak_events_are_rated_as_the_obvious_charge_says(rows):
    check(
        models.test_events_are_rated_as_the_obvious_charge_says,
        rows,
    )


@law(MANY, st.lists(part_models.rows(), min_size=1, max_size=5))
def test_soak_parts_are_rated_as_the_obvious_charge_says(rows):
    check(
        part_models.test_parts_are_rated_as_the_obvious_charge_says_and_explain_themselves,
        rows,
    )


@law(MANY, st.lists(rating.priced_quantities(), min_size=1, max_size=6))
def test_soak_usage_is_rated_as_the_obvious_charge_says(rows):
    check(rating.test_usage_is_rated_as_the_obvious_charge_says, rows)


@law(
    MANY // 10,
    amendments.AMENDMENTS,
    amendments.DAILY,
    st.lists(st.integers(1, amendments.LENGTH), min_size=5, max_size=5),
)
def test_soak_amendments_billed_one_by_one_come_to_the_last_contract_at_once(told, daily, days):
    check(
        amendments.test_what_amendments_were_billed_one_by_one_is_what_the_last_contract_costs,
        told,
        daily,
        days,
    )
