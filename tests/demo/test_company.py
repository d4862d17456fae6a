"""The customers of the demo company and what is peculiar about some of them."""

from decimal import Decimal

import numpy as np
import pytest

from meterhouse.demo.company import LEAST, make_customers
from meterhouse.demo.plans import items


@pytest.mark.parametrize("count", [*range(LEAST, 80), 200, 201, 202, 203, 1000])
def test_no_peculiarity_hides_another(count):
    company = make_customers(count, np.random.default_rng(count))
    assert len({one.id for one in company}) == count
    assert sum(one.tax is None for one in company) == 3
    assert sum(one.is_in_conflict for one in company) == 2
    assert sum(one.is_partly_uncovered for one in company) == 4
    assert sum(not one.has_contract for one in company) == 1
    assert sum(one.storage_zone is not None for one in company) == 1
    assert sum(one.payer is not None for one in company) == 1
    assert sum(one.alias is not None for one in company) == 1
    assert {one.plan for one in company} == {"starter", "growth", "scale"}


@pytest.mark.parametrize("plan", ["starter", "growth", "scale"])
def test_prices_of_another_currency_follow_by_its_factor(plan):
    dollars, yen = items(plan, "USD", 3), items(plan, "JPY", 3)
    assert [one["id"] for one in dollars] == [one["id"] for one in yen]
    assert Decimal(yen[0]["price"]["amount"]) == 150 * Decimal(dollars[0]["price"]["amount"])
