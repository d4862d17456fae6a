from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.canonical import sha256_text
from meterhouse.contracts.windows import COLUMNS, charge_windows
from meterhouse.errors import UsageError
from meterhouse.money import QUANTITY
from meterhouse.periods import INSTANT, boundary, zone_days

ALWAYS, FOREVER = date(1, 1, 1), date(9999, 12, 31)
DAYS = zone_days(["Europe/Berlin", "America/Santiago", "UTC"], date(2022, 11, 1), date(2030, 1, 1))
CONTRACT = {
    "contract_id": "c",
    "customer_id": "acme",
    "payer_id": "acme-holding",
    "entity_id": "de",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "terms_id": "net30",
    "purchase_order": None,
    "start_on": date(2024, 1, 1),
    "end_on": None,
    "anchor_day": None,
    "day_seconds": 0,
    "start_seconds": 0,
    "end_seconds": 0,
}
CONTRACT_SCHEMA = {
    **dict.fromkeys(CONTRACT, pl.String),
    "start_on": pl.Date,
    "end_on": pl.Date,
    **dict.fromkeys(("anchor_day", "day_seconds", "start_seconds", "end_seconds"), pl.Int64),
}
ITEM = {
    "contract_id": "c",
    "slot_from": ALWAYS,
    "slot_to": FOREVER,
    "version_seq": 1,
    "item_id": "seats",
    "item_description": "Seats",
    "timing": "advance",
    "meter_id": None,
    "price_model": "flat",
    "price": '{"amount":"10","model":"flat"}',
    "fixed_quantity": Decimal(3),
    "prorate_start": True,
    "prorate_end": True,
    "modifiers": None,
}
ITEM_SCHEMA = {
    **dict.fromkeys(ITEM, pl.String),
    "slot_from": pl.Date,
    "slot_to": pl.Date,
    "version_seq": pl.Int64,
    "fixed_quantity": QUANTITY,
    "prorate_start": pl.Boolean,
    "prorate_end": pl.Boolean,
}
TOKENS = {"item_id": "tokens", "timing": "arrears", "meter_id": "tokens", "price_model": "per_unit"}


def windows(contract=None, items=({},), horizon=date(2024, 7, 1), days=DAYS):
    contracts = pl.DataFrame([CONTRACT | (contract or {})], schema=CONTRACT_SCHEMA)
    listed = pl.DataFrame([ITEM | item for item in items], schema=ITEM_SCHEMA)
    return charge_windows(contracts, listed, days, horizon)


def spans(frame):
    return [
        (start.isoformat(), end.isoformat())
        for start, end in frame.select("window_start_on", "window_end_on").rows()
    ]


def periods(frame):
    return [
        (start.isoformat(), end.isoformat())
        for start, end in frame.select("period_start_on", "period_end_on").rows()
    ]


def test_the_columns_are_the_agreed_ones_with_their_types():
    frame = windows()
    assert tuple(frame.columns) == COLUMNS
    assert frame.schema["fixed_quantity"] == QUANTITY
    assert frame.schema["window_start"] == INSTANT
    assert frame.schema["period_start_on"] == pl.Date
    assert frame.schema["version_seq"] == pl.Int64
    assert windows(items=()).schema == frame.schema


def test_days_that_begin_at_another_hour_move_every_edge_by_the_clock_of_the_zone():
    six = {"day_seconds": 6 * 3600, "start_seconds": 6 * 3600, "end_seconds": 6 * 3600}
    frame = windows({**six, "start_on": date(2024, 3, 1)}, horizon=date(2024, 5, 1))
    # Summer time begins on 31 March: 06:00 is 05:00 UTC before it and 04:00 after.
    assert frame["window_start"].dt.to_string("%m-%d %H:%M").to_list() == [
        *("03-01 05:00", "04-01 04:00"),
    ]
    assert frame["due_on"].to_list() == [date(2024, 3, 2), date(2024, 4, 2)]
    assert frame["is_whole_days"].to_list() == [False, False]


def test_a_contract_begins_and_ends_at_its_own_times():
    times = {"start_seconds": 18 * 3600 + 17, "end_seconds": 11 * 3600}
    frame = windows(
        {**times, "start_on": date(2024, 1, 15), "end_on": date(2024, 2, 20), "zone": "UTC"},
        days=zone_days(["UTC"], date(2023, 1, 1), date(2025, 1, 1)),
    )
    shown = frame.select(pl.col("window_start", "window_end").dt.to_string("%m-%d %H:%M:%S"))
    assert shown.rows() == [
        ("01-15 18:00:17", "02-15 00:00:00"),
        ("02-15 00:00:00", "02-20 11:00:00"),
    ]
    # Fees are paid on the first midnight by which their window has begun.
    assert frame["due_on"].to_list() == [date(2024, 1, 16), date(2024, 2, 15)]


def test_a_month_end_start_comes_back_to_the_month_end():
    frame = windows({"start_on": date(2024, 1, 31)}, horizon=date(2024, 5, 1))
    assert spans(frame) == [
        ("2024-01-31", "2024-02-29"),
        ("2024-02-29", "2024-03-31"),
        ("2024-03-31", "2024-04-30"),
        ("2024-04-30", "2024-05-31"),
    ]
    assert periods(frame) == spans(frame)


def test_anchor_30_is_clamped_in_february_only():
    frame = windows({"start_on": date(2025, 1, 30), "anchor_day": 30}, horizon=date(2025, 5, 1))
    assert spans(frame) == [
        ("2025-01-30", "2025-02-28"),
        ("2025-02-28", "2025-03-30"),
        ("2025-03-30", "2025-04-30"),
        ("2025-04-30", "2025-05-30"),
    ]


def test_a_start_on_30_april_with_anchor_31_is_on_the_anchor():
    frame = windows({"start_on": date(2024, 4, 30), "anchor_day": 31}, horizon=date(2024, 6, 1))
    assert spans(frame) == [("2024-04-30", "2024-05-31"), ("2024-05-31", "2024-06-30")]
    assert periods(frame)[0] == ("2024-04-30", "2024-05-31")


@pytest.mark.parametrize(("year", "end"), [(2024, "2024-02-29"), (2025, "2025-02-28")])
def test_a_leap_day_is_used_only_where_it_exists(year, end):
    frame = windows({"start_on": date(year, 1, 29)}, horizon=date(year, 2, 1))
    assert spans(frame) == [(f"{year}-01-29", end)]


def test_a_start_before_the_anchor_makes_a_stub_of_the_virtual_previous_period():
    frame = windows({"start_on": date(2024, 9, 1), "anchor_day": 15}, horizon=date(2024, 10, 1))
    assert spans(frame) == [("2024-09-01", "2024-09-15"), ("2024-09-15", "2024-10-15")]
    assert periods(frame)[0] == ("2024-08-15", "2024-09-15")


def test_a_start_after_the_anchor_makes_a_stub_of_the_running_period():
    frame = windows({"start_on": date(2024, 9, 20), "anchor_day": 1}, horizon=date(2024, 10, 2))
    assert spans(frame) == [("2024-09-20", "2024-10-01"), ("2024-10-01", "2024-11-01")]
    assert periods(frame)[0] == ("2024-09-01", "2024-10-01")


def test_an_end_cuts_the_last_window_but_not_its_period():
    frame = windows({"end_on": date(2024, 2, 11)})
    assert spans(frame)[-1] == ("2024-02-01", "2024-02-11")
    assert periods(frame)[-1] == ("2024-02-01", "2024-03-01")


def test_an_end_on_a_boundary_makes_no_empty_window():
    assert spans(windows({"end_on": date(2024, 2, 1)})) == [("2024-01-01", "2024-02-01")]


def test_a_contract_of_one_day_has_one_window_of_one_day():
    frame = windows({"start_on": date(2024, 2, 29), "end_on": date(2024, 3, 1), "anchor_day": 15})
    assert spans(frame) == [("2024-02-29", "2024-03-01")]
    assert periods(frame) == [("2024-02-15", "2024-03-15")]


def test_a_contract_that_ends_when_it_starts_has_no_window():
    assert windows({"end_on": date(2024, 1, 1)}).is_empty()


def test_a_window_that_starts_on_the_horizon_is_not_made():
    assert spans(windows(horizon=date(2024, 2, 1))) == [("2024-01-01", "2024-02-01")]
    assert len(spans(windows(horizon=date(2024, 2, 2)))) == 2
    assert windows(horizon=date(2024, 1, 1)).is_empty()
    assert windows(horizon=date(2023, 6, 1)).is_empty()


def test_a_window_belongs_to_the_slot_in_force_at_its_start():
    frame = windows(
        items=(
            {"slot_to": date(2024, 2, 15), "version_seq": 1},
            {"slot_from": date(2024, 2, 15), "version_seq": 7},
        ),
        horizon=date(2024, 4, 1),
    )
    assert frame["version_seq"].to_list() == [1, 1, 7]


def test_an_item_that_a_later_slot_adds_starts_with_the_first_window_of_the_slot():
    frame = windows(
        items=({}, {"item_id": "support", "slot_from": date(2024, 3, 1)}), horizon=date(2024, 4, 1)
    )
    assert frame.group_by("item_id").len().sort("item_id").rows() == [("seats", 3), ("support", 1)]


def test_advance_is_due_at_the_start_and_arrears_at_the_end():
    frame = windows(items=({}, TOKENS), horizon=date(2024, 2, 1))
    assert dict(frame.select("item_id", "due_on").rows()) == {
        "seats": date(2024, 1, 1),
        "tokens": date(2024, 2, 1),
    }


def test_only_fees_carry_a_fixed_quantity():
    frame = windows(items=({}, TOKENS), horizon=date(2024, 2, 1))
    assert frame.select("item_id", "component", "fixed_quantity").rows() == [
        ("seats", "fee", Decimal(3)),
        ("tokens", "usage", None),
    ]


def test_the_id_is_the_hash_of_what_is_charged_and_when():
    (found,) = windows(horizon=date(2024, 2, 1))["window_id"]
    assert found == sha256_text("c|seats|fee|2024-01-01|2024-02-01")[:32]


@pytest.mark.parametrize(
    ("zone", "start_on", "start", "end"),
    [
        ("Europe/Berlin", date(2024, 3, 1), "2024-02-29T23:00", "2024-03-31T22:00"),
        ("Europe/Berlin", date(2024, 10, 1), "2024-09-30T22:00", "2024-10-31T23:00"),
        ("America/Santiago", date(2024, 9, 8), "2024-09-08T04:00", "2024-10-08T03:00"),
    ],
)
def test_windows_begin_at_the_first_instant_of_the_local_day(zone, start_on, start, end):
    frame = windows({"zone": zone, "start_on": start_on}, horizon=date(2024, 10, 2))
    row = frame.row(0, named=True)
    assert row["window_start"].isoformat() == f"{start}:00+00:00"
    assert row["window_end"].isoformat() == f"{end}:00+00:00"


def test_days_that_do_not_cover_the_windows_are_refused():
    few = DAYS.filter(pl.col("day") < date(2024, 6, 1))
    with pytest.raises(UsageError, match=r"do not hold 2024-06-01 in zone Europe/Berlin"):
        windows(days=few)


STARTS = st.dates(date(2023, 1, 5), date(2027, 12, 31))


@settings(max_examples=60)
@given(STARTS, st.none() | st.integers(1, 31), st.none() | st.integers(1, 800))
def test_windows_of_a_contract_touch_and_lie_on_the_grid(start_on, anchor_day, length):
    end_on = None if length is None else date.fromordinal(start_on.toordinal() + length)
    horizon = date(2028, 6, 1)
    frame = windows(
        {"start_on": start_on, "end_on": end_on, "anchor_day": anchor_day}, horizon=horizon
    )
    found = frame.select("window_start_on", "window_end_on").rows()
    assert found[0][0] == start_on
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
    assert found[-1][1] == end_on or found[-1][1] >= horizon
    grid = {boundary(start_on, anchor_day or start_on.day, k) for k in range(-1, 70)}
    assert {start for start, _ in found[1:]} <= grid
    assert set(frame["period_start_on"]) | set(frame["period_end_on"]) <= grid
    assert frame.filter(
        (pl.col("period_start_on") > pl.col("window_start_on"))
        | (pl.col("window_end_on") > pl.col("period_end_on"))
    ).is_empty()


def test_an_instant_in_the_zone_reads_as_midnight_of_the_date():
    for row in windows({"start_on": date(2024, 1, 31)}).iter_rows(named=True):
        local = row["window_start"].astimezone(ZoneInfo("Europe/Berlin"))
        assert local.replace(tzinfo=UTC) == datetime.combine(
            row["window_start_on"], datetime.min.time(), UTC
        )
