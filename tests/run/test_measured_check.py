"""What was measured from events is counted again, in another way, before anything is issued."""

import json
from datetime import date

import pytest

from tests.run.test_usage_behind import METERS, metered  # noqa: F401
from tests.truth.events import Event
from tests.truth.harness import GREAT_EXPECTATIONS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
THROUGH = date(2026, 1, 2)
CHECK = "measured_windows_hold_their_events"
DECEMBER = "2025-12-0{}T12:00:00Z"
SPOILED = """
update usage.measured set {} where window_id = (
    select window_id from usage.determinants
    where meter_id = '{}' and window_start_on = '2025-12-01' limit 1
)
"""


@pytest.fixture
def home(metered, tmp_path):  # noqa: F811
    """Billed through November, with usage of December, some of it taken back."""
    home = metered.copy(tmp_path / "home")
    home.land(
        [
            Event("api", f"d{n}", "job", "alpha", DECEMBER.format(n),
                  (("amount", str(n)), ("user", f"u{n}"), ("region", "eu")))
            for n in range(2, 7)
        ]
    )  # fmt: skip
    return home


def failed(done):
    return [one for one in done.checks if one["check_name"] == CHECK and not one["passed"]]


def test_it_holds_for_every_aggregation_also_where_events_were_replaced(home):
    home.land([
        Event("restated", "r1", "job", "alpha", DECEMBER.format(3), (("amount", "90"),)),
        Event("restated", "r1", "job", "alpha", DECEMBER.format(4), (("amount", "1"),)),
    ])  # fmt: skip
    done = home.issue(THROUGH)
    assert (done.failed, done.held) == (set(), {})


@pytest.mark.parametrize(
    ("meter", "change"),
    [
        ("j-max", "numerator = numerator - 1"),
        pytest.param("j-min", "numerator = numerator + 1", marks=pytest.mark.soak),
        pytest.param("j-users", "event_count = event_count - 1", marks=pytest.mark.soak),
        pytest.param("j-median", "event_count = event_count + 1", marks=pytest.mark.soak),
        ("j-peaks", 'dimensions = \'{"region":"us"}\''),
    ],
)
def test_a_number_that_the_events_do_not_give_holds_back_its_window(home, meter, change):
    assert meter in METERS
    done = home.issue(THROUGH, spoil=SPOILED.format(change, meter))
    [one] = failed(done)
    assert (one["is_blocking"], one["scope_kind"]) == (True, "window")
    assert {"expected", "actual", "detail"} == json.loads(one["numbers"]).keys()
    assert set(done.held) == {"jobs"}


@pytest.mark.soak
def test_more_dimension_values_than_the_meter_allows_are_told_and_hold_back_nothing(home):
    meter = {"kind": "meter", "id": "j-max", **METERS["j-max"], "dimension_limit": 4}
    home.record(meter)
    home.land([Event("api", f"far{n}", "job", "alpha", DECEMBER.format(n),
                     (("amount", "1"), ("region", f"r{n}"))) for n in range(2, 7)])  # fmt: skip
    done = home.issue(THROUGH)
    told = [one for one in done.checks
            if one["check_name"] == "dimensions_are_bounded" and not one["passed"]]  # fmt: skip
    assert told
    assert not any(one["is_blocking"] for one in told)
    assert all("meter j-max" in one["sentence"] for one in told)
    assert "jobs" in done.billed
