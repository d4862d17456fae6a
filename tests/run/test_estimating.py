"""An estimate from events alone is what a run would make of the same window."""

from datetime import date

import pytest

from meterhouse.run.asked_spans import Asked
from meterhouse.run.estimates import estimate
from tests.truth.metered_home import MeteredHome
from tests.truth.metered_world import world

pytestmark = pytest.mark.slow
ALL = {"customer": "all", "start": date(2000, 1, 1), "per": "window"}


def estimated(lake, meters, through):
    """Quantity by contract, item, first instant and dimensions of every window begun by then."""
    rows = [
        row
        for meter in meters
        for row in estimate(lake, Asked(meter=meter, end=through, **ALL))["rows"]
    ]
    return {
        (one["contract_id"], one["item_id"], one["window_start"], one["dimensions"]): (
            one["quantity"], one["event_count"], one["is_measured"], one["meter_version"],
        )
        for one in rows
    }  # fmt: skip


def determined(home, through):
    rows = home.measure(through)
    with home.lake.reading() as db:
        db.execute(f"attach '{home.lake.settings.warehouse}' as warehouse (read_only)")
        starts = dict(
            db.execute("select window_id, window_start from warehouse.billing.charge_windows")
            .fetchall()
        )  # fmt: skip
    return {
        (one["contract_id"], one["item_id"], starts[one["window_id"]], one["dimensions"]): (
            one["quantity"], one["event_count"], one["is_measured"], one["meter_version"],
        )
        for one in rows
        if one["window_start_on"] < through
    }  # fmt: skip


@pytest.mark.parametrize(
    "seed", [11, pytest.param(3, marks=pytest.mark.soak), pytest.param(29, marks=pytest.mark.soak)]
)
def test_an_estimate_of_each_window_is_its_determinant(tmp_path, seed):
    """Every aggregation, split definitions, two zones at once, days that begin at six."""
    made = world(seed)
    home = MeteredHome(tmp_path / "home", made.documents)
    for batch in made.batches:
        home.load(batch)
    wanted = determined(home, made.through)
    assert estimated(home.lake, made.meters, made.through) == wanted
    assert len(wanted) > 20
