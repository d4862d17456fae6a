"""What random worlds found once, worked out by hand."""

from datetime import UTC, date, datetime

import pytest

from tests.truth.meter_oracle import Event
from tests.truth.metered_home import MeteredHome
from tests.truth.metered_world import KEPT, Batch
from tests.truth.test_metered_zones import METER, contract

pytestmark = [pytest.mark.slow]
START, END = date(2025, 10, 1), date(2025, 11, 1)
ITEMS = {"property": "user", "operation": "step", "decimals": 6}


def quantities(tmp_path, meters, events, **keys):
    """By meter and dimensions the quantity of October of a contract in UTC."""
    customer = {"kind": "customer", "id": "c", "name": "C"}
    one = contract("c", "UTC", START, END, **keys)
    (item,) = one["items"]
    ids = dict.fromkeys(meter["id"] for meter in meters)
    one["items"] = [{**item, "id": id, "meter": id} for id in ids]
    home = MeteredHome(tmp_path / "home", [*KEPT, *meters, customer, one])
    made = [Event("api", str(n), "t", "c", at(when), data) for n, (when, data) in enumerate(events)]
    home.load(Batch(at("2025-10-20T00:00"), made))
    return {(r["item_id"], r["dimensions"]): r["quantity"] for r in home.measure(END)}


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_group_without_a_value_is_there_for_every_aggregation(tmp_path):
    kinds = {
        "sum": {"property": "size"},
        "max": {"property": "size"},
        "unique": {"aggregation": "unique_count", "property": "user"},
        "steps": {"aggregation": "unique_count", **ITEMS},
        "days": {"aggregation": "prorated_unique_count", **ITEMS},
    }
    of_group = {"dimensions": ["region"], "empty": "7"}
    meters = [
        {**METER, "id": id, "aggregation": id, **kind, **of_group} for id, kind in kinds.items()
    ]
    found = quantities(tmp_path, meters, [("2025-10-05T00:00", {"region": "eu"})])
    assert found == {(id, '{"region":"eu"}'): 7 for id in kinds}


def test_what_was_taken_away_before_a_window_began_that_day_is_not_in_it(tmp_path):
    meter = {**METER, "aggregation": "prorated_unique_count", **ITEMS, "recurring": True}
    events = [
        ("2025-09-20T00:00", {"user": "a"}),
        ("2025-10-01T09:00", {"user": "a", "step": "remove"}),
        ("2025-10-01T09:00", {"user": "b"}),
        ("2025-10-01T10:00", {"user": "b", "step": "remove"}),
        ("2025-09-20T00:00", {"user": "c"}),
    ]
    found = quantities(tmp_path, [meter], events, start_time="18:00")
    assert found == {("calls", "{}"): 1}


def test_a_new_definition_begins_when_the_days_of_the_contract_do(tmp_path):
    old = {**METER, "split": True}
    new = {**old, "aggregation": "sum", "property": "size", "valid_from": date(2025, 10, 10)}
    events = [("2025-10-10T05:59", {"size": 100}), ("2025-10-10T06:00", {"size": 20})]
    found = quantities(tmp_path, [old, new], events, day_starts_at="06:00")
    assert found == {("calls", "{}"): 21}
