"""One meter read in several zones, worked out by hand."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.truth.local_days import MICROSECOND
from tests.truth.meter_oracle import Event
from tests.truth.metered_home import MeteredHome
from tests.truth.metered_world import KEPT, Batch

pytestmark = [pytest.mark.slow]
HOUR = timedelta(hours=1)
METER = {
    "kind": "meter",
    "id": "calls",
    "event_type": "t",
    "aggregation": "count",
    "unit": "call",
    "decimals": 0,
}


def contract(id, zone, start, end, **keys):
    item = {"id": "calls", "description": "Calls", "meter": "calls", **keys.pop("item", {})}
    item["price"] = {"model": "per_unit", "unit_amount": "1"}
    return {
        "kind": "contract", "id": id, "customer": "c", "entity": "e", "currency": "USD",
        "zone": zone, "start": start, "end": end, "payment_terms": "net30", "items": [item],
        **keys,
    }  # fmt: skip


def counted(tmp_path, through, instants, *contracts):
    """Events at the instants, and how many each window of each contract counts."""
    customer = {"kind": "customer", "id": "c", "name": "C"}
    home = MeteredHome(tmp_path / "home", [*KEPT, METER, customer, *contracts])
    events = [Event("api", str(n), "t", "c", at, {}) for n, at in enumerate(instants)]
    home.load(Batch(through_noon(through), events))
    rows = home.measure(through)
    return {
        (row["contract_id"], row["window_start_on"]): int(row["quantity"])
        for row in rows
        if row["quantity"]
    }


def through_noon(day):
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def edges(*texts):
    """Each instant, and the microsecond before it."""
    found = [datetime.fromisoformat(text) for text in texts]
    return [at - shift for at in found for shift in (0 * MICROSECOND, MICROSECOND)]


def test_contracts_in_two_zones_that_share_a_meter_are_exact_in_both(tmp_path):
    start, end, shared = date(2025, 10, 1), date(2025, 12, 1), {"shared": True}
    kathmandu = contract("kathmandu", "Asia/Kathmandu", start, end, item=shared)
    st_johns = contract("st-johns", "America/St_Johns", start, end, item=shared)
    # Kathmandu is 5:45 ahead; St. John's 2:30 behind, from 2 November 3:30 behind.
    at_kathmandu = edges("2025-09-30T18:15Z", "2025-10-31T18:15Z", "2025-11-30T18:15Z")
    at_st_johns = edges("2025-10-01T02:30Z", "2025-11-01T02:30Z", "2025-12-01T03:30Z")
    instants = [*at_kathmandu, *at_st_johns]
    assert counted(tmp_path, end, instants, kathmandu, st_johns) == {
        ("kathmandu", date(2025, 10, 1)): 4,
        ("kathmandu", date(2025, 11, 1)): 4,
        ("st-johns", date(2025, 10, 1)): 4,
        ("st-johns", date(2025, 11, 1)): 4,
    }


def test_a_day_that_a_zone_left_out_is_empty_and_its_neighbours_meet(tmp_path):
    start, end = date(2011, 12, 1), date(2012, 2, 1)
    samoa = contract("samoa", "Pacific/Apia", start, end, anchor_day=30)
    # Apia went from 29 December 24:00, 10:00 UTC, to the 31st: a window from the 30th begins there.
    instants = edges("2011-12-01T10:00Z", "2011-12-30T10:00Z", "2012-01-29T10:00Z")
    instants += edges("2012-01-31T10:00Z")
    assert counted(tmp_path, end, instants, samoa) == {
        ("samoa", date(2011, 12, 1)): 2,
        ("samoa", date(2011, 12, 30)): 2,
        ("samoa", date(2012, 1, 30)): 2,
    }


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("Africa/Cairo", date(2025, 4, 25), "2025-04-24T22:00Z"),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00Z"),
        ("Australia/Lord_Howe", date(2025, 10, 5), "2025-10-04T13:30Z"),
    ],
)
def test_a_midnight_that_the_clock_left_out_is_no_gap(tmp_path, zone, day, begins):
    meets = datetime.fromisoformat(begins)
    instants = [meets + n * HOUR / 4 for n in range(-8, 8)] + edges(begins)
    start, end = day - timedelta(days=20), day + timedelta(days=20)
    found = counted(
        tmp_path,
        end,
        instants,
        contract("before", zone, start, day),
        contract("after", zone, day, end),
    )
    by_contract = Counter()
    for (id, _), count in found.items():
        by_contract[id] += count
    assert by_contract == {"before": 9, "after": 9}


def test_a_customer_who_moves_to_another_zone_at_one_instant_loses_and_doubles_nothing(tmp_path):
    start, end, shared = date(2025, 10, 1), date(2025, 12, 1), {"shared": True}
    # Midnight of the 20th in Kathmandu is 15:45 of the 19th in St. John's.
    moved = date(2025, 10, 20), date(2025, 10, 19)
    before = contract("before", "Asia/Kathmandu", start, moved[0], item=shared)
    after = contract(
        "after", "America/St_Johns", moved[1], end, start_time="15:45", anchor_day=1, item=shared
    )
    meets = datetime.fromisoformat("2025-10-19T18:15Z")
    instants = [meets + n * HOUR for n in range(-40, 40)]
    assert counted(tmp_path, end, [*instants, *edges(meets.isoformat())], before, after) == {
        ("before", start): 41,
        ("after", moved[1]): 41,
    }


def test_days_may_begin_at_six_and_a_contract_in_the_middle_of_one(tmp_path):
    start, end = date(2025, 10, 1), date(2025, 12, 3)
    times = {"day_starts_at": "06:00", "start_time": "18:10:17", "end_time": "11:22:30"}
    berlin = contract("berlin", "Europe/Berlin", start, end, **times)
    instants = edges("2025-10-01T16:10:17Z", "2025-11-01T05:00Z", "2025-12-01T05:00Z")
    instants += edges("2025-12-03T10:22:30Z")
    assert counted(tmp_path, end, instants, berlin) == {
        ("berlin", date(2025, 10, 1)): 2,
        ("berlin", date(2025, 11, 1)): 2,
        ("berlin", date(2025, 12, 1)): 2,
    }
