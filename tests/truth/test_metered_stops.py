"""A run that stops between what was measured and the determinants leaves nothing stale."""

from datetime import UTC, date, datetime

import pytest

from meterhouse.run import usage
from tests.truth.meter_oracle import Event
from tests.truth.metered_home import MeteredHome
from tests.truth.metered_world import KEPT, Batch
from tests.truth.test_metered_zones import METER, contract

pytestmark = [pytest.mark.slow]
DAY = datetime(2025, 10, 5, 12, tzinfo=UTC)
NOW = datetime(2025, 11, 1, 12, tzinfo=UTC)
THROUGH = date(2025, 11, 1)
# All that is built before the determinants.
BEFORE = tuple(
    f"path:models/{name}" for name in ("staging", "usage/daily.sql", "usage/measured.sql")
)


def test_a_window_that_was_measured_before_a_run_stopped_gets_its_determinant(
    tmp_path, monkeypatch
):
    meter = {**METER, "id": "peak", "aggregation": "max", "property": "size"}
    customer = {"kind": "customer", "id": "c", "name": "C"}
    one = contract("c", "UTC", date(2025, 10, 1), date(2026, 5, 1))
    one["items"] = [{**one["items"][0], "id": "peak", "meter": "peak"}]
    home = MeteredHome(tmp_path / "home", [*KEPT, meter, customer, one])
    home.load(Batch(NOW, [Event("api", "1", "t", "c", DAY, {"size": 5})]))
    home.measure(THROUGH)
    home.load(Batch(NOW, [Event("api", "2", "t", "c", DAY, {"size": 9})]))
    with monkeypatch.context() as stopped:
        stopped.setattr(usage, "MODELS", BEFORE)
        home.measure(THROUGH)
    rows = home.measure(THROUGH)
    october = [row["quantity"] for row in rows if row["window_start_on"] == date(2025, 10, 1)]
    assert october == [9]
