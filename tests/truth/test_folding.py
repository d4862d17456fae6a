"""What was folded batch by batch is what one fold of everything gives."""

import shutil
from decimal import Decimal

import pytest

from meterhouse.warehouse import Warehouse
from tests.truth.events import request
from tests.truth.harness import MONTHS
from tests.truth.test_quarantine import CONTRACT, NEWCOMER

pytestmark = [pytest.mark.slow]
FOLDED = {
    "usage.daily": "select customer_id, meter_id, meter_version, zone, local_day, "
    "sum(quantity) as quantity, sum(event_count) as events from usage.daily group by all "
    "having sum(event_count) <> 0 order by all",
    "usage.fates": "select customer_id, event_type, event_day, fate, sum(event_count) as events "
    "from usage.fates group by all having sum(event_count) <> 0 order by all",
    "usage.determinants": "from usage.determinants order by determinant_id",
    "billing.desired_lines": "from billing.desired_lines order by window_id",
}


def folded(home):
    """The rows of every table of FOLDED."""
    pin = home.lake.head()
    with Warehouse(home.lake).connect(pin) as db:
        return {name: db.sql(select).pl().to_dicts() for name, select in FOLDED.items()}


def test_the_incremental_fold_equals_a_rebuild(october):
    october.load([request("x-1", "alpha", "2025-10-12T12:00:00Z", 70_000, "restated")])
    october.issue(MONTHS[1])
    late = [request("l-1", "berlin", "2025-09-12T12:00:00Z", 9, region="eu", cached=False)]
    october.load([*late, request("x-1", "alpha", "2025-09-12T12:00:00Z", 30, "restated")])
    # Another meter is read from the first batch, for itself only.
    meter = october.changed("meter", "requests", description="Counted anew")
    october.record(meter)
    assert october.issue(MONTHS[1]).failed == set()
    stepwise = folded(october)
    shutil.rmtree(october.path / "warehouse")
    october.issue(MONTHS[1])
    at_once = folded(october)
    for name in FOLDED:
        assert stepwise[name], name
        assert stepwise[name] == at_once[name], name


def test_a_customer_whose_first_contract_comes_after_its_usage_is_billed(home):
    home.record(NEWCOMER)
    home.load([request("n", "newcomer", "2025-09-12T12:00:00Z", 500)])
    assert home.issue(MONTHS[0]).failed == set()
    home.record(CONTRACT)
    done = home.issue(MONTHS[0])
    assert done.failed == set()
    assert done.billed == {"newcomer-main"}
    assert set(home.sums().values()) >= {Decimal(5)}
