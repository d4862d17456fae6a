"""Meters by the clock of receipt count what came late where it came."""

from datetime import UTC, date, datetime

import pytest

from tests.truth.meter_oracle import Event
from tests.truth.metered_home import MeteredHome
from tests.truth.metered_world import KEPT, Batch
from tests.truth.test_metered_zones import METER, contract

pytestmark = [pytest.mark.slow]
OCTOBER = datetime(2025, 10, 5, 12, tzinfo=UTC)
MARCH = datetime(2026, 3, 15, 12, tzinfo=UTC)
KINDS = (
    {"aggregation": "count"},
    {"aggregation": "max", "property": "size"},
    {"aggregation": "max", "property": "size", "bucket": "day"},
)


def test_what_was_received_long_after_it_happened_is_counted_when_its_day_is_due(tmp_path):
    meters = [{**METER, **kind, "id": f"m{n}", "clock": "received"} for n, kind in enumerate(KINDS)]
    customer = {"kind": "customer", "id": "c", "name": "C"}
    one = contract("c", "Asia/Kathmandu", date(2025, 10, 1), date(2026, 5, 1))
    (item,) = one["items"]
    one["items"] = [{**item, "id": meter["id"], "meter": meter["id"]} for meter in meters]
    home = MeteredHome(tmp_path / "home", [*KEPT, *meters, customer, one])
    home.load(Batch(MARCH, [Event("api", "1", "t", "c", OCTOBER, {"size": 1})]))
    home.measure(date(2025, 11, 1))
    home.measure(date(2026, 3, 3))  # Its window has begun; the day of its receipt is to come.
    rows = home.measure(date(2026, 4, 1))
    counted = {(row["item_id"], row["window_start_on"]) for row in rows if row["quantity"]}
    assert counted == {(meter["id"], date(2026, 3, 1)) for meter in meters}
