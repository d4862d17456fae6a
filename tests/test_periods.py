from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from whenever import Instant, ZonedDateTime

from meterhouse.errors import UsageError
from meterhouse.periods import boundary, boundary_expr, zone_days, zone_offsets

ZONES = [
    "Africa/Cairo",  # clocks skip midnight
    "America/Havana",  # clocks repeat the first hour of a day
    "America/New_York",
    "America/Santiago",  # clocks skip midnight, and go from midnight back to 23:00
    "America/Sao_Paulo",
    "America/St_Johns",  # until 2011 clocks went from 00:01 back to 23:01
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Europe/Berlin",
    "Pacific/Apia",  # no 2011-12-30
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "UTC",
]
FIRST, LAST = date(2005, 1, 1), date(2028, 12, 31)
DAYS = zone_days(ZONES, FIRST, LAST)
OFFSETS = zone_offsets(ZONES, FIRST, LAST)
STARTS = {zone: frame["starts_at"] for (zone,), frame in DAYS.group_by("zone", maintain_order=True)}
SPANS = {zone: frame.rows(named=True) for (zone,), frame in OFFSETS.group_by("zone")}
SWITCHES = [
    (zone, span["valid_from"])
    for zone, spans in SPANS.items()
    for span in spans
    if span is not spans[0]
]
EARLIEST, LATEST = datetime(2005, 1, 2, tzinfo=UTC), datetime(2028, 12, 30, tzinfo=UTC)
INSTANTS = st.datetimes(
    EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None), timezones=st.just(UTC)
)
NEAR_A_SWITCH = st.tuples(st.sampled_from(SWITCHES), st.integers(-7200, 7200)).map(
    lambda drawn: (drawn[0][0], drawn[0][1] + timedelta(seconds=drawn[1]))
)
MOMENTS = st.one_of(st.tuples(st.sampled_from(ZONES), INSTANTS), NEAR_A_SWITCH).filter(
    lambda moment: (
        datetime(2005, 1, 2, tzinfo=UTC) <= moment[1] < datetime(2028, 12, 30, tzinfo=UTC)
    )
)


def day_by_offsets(zone, at):
    (span,) = [s for s in SPANS[zone] if s["valid_from"] <= at < s["valid_to"]]
    return (at + timedelta(seconds=span["offset_seconds"])).date()


def day_by_starts(zone, at):
    position = int(STARTS[zone].search_sorted(at, side="right")) - 1
    return FIRST + timedelta(days=position)


def starts_at(zone, day):
    return STARTS[zone][(day - FIRST).days]


@given(MOMENTS)
@example(("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)))
@example(("America/St_Johns", datetime(2010, 11, 7, 2, 45, tzinfo=UTC)))
@example(("America/Santiago", datetime(2024, 9, 8, 4, tzinfo=UTC)))
def test_both_frames_put_an_instant_into_the_same_local_day(moment):
    zone, at = moment
    assert day_by_offsets(zone, at) == day_by_starts(zone, at)


@given(MOMENTS)
def test_the_local_day_is_the_one_whenever_and_zoneinfo_know(moment):
    zone, at = moment
    ours = day_by_offsets(zone, at)
    theirs = Instant(at).to_tz(zone).date().to_stdlib()
    assert theirs == at.astimezone(ZoneInfo(zone)).date()
    # Where a clock goes back over midnight, the day that has begun goes on (less than an hour).
    assert ours == theirs or (
        zone in ("America/St_Johns", "Asia/Gaza")
        and ours == theirs + timedelta(days=1)
        and at - starts_at(zone, ours) < timedelta(hours=1)
    )


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_starts_at_the_first_instant_that_whenever_finds(zone):
    days = [
        *pl.date_range(FIRST, LAST, "7d", eager=True),
        *(at.astimezone(ZoneInfo(zone)).date() for z, at in SWITCHES if z == zone),
    ]
    wrong = [
        day
        for day in days
        if starts_at(zone, day)
        != ZonedDateTime(day.year, day.month, day.day, tz=zone, disambiguation="compatible")
        .to_instant()
        .to_stdlib()
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("America/Santiago", date(2024, 9, 8), "2024-09-08T04:00:00+00:00"),
        ("Africa/Cairo", date(2024, 4, 26), "2024-04-25T22:00:00+00:00"),
        ("Asia/Beirut", date(2024, 3, 31), "2024-03-30T22:00:00+00:00"),
        ("America/Havana", date(2024, 11, 3), "2024-11-03T04:00:00+00:00"),
        ("Atlantic/Azores", date(2024, 10, 27), "2024-10-27T00:00:00+00:00"),
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00+00:00"),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00:00+00:00"),
        ("Asia/Kathmandu", date(2024, 1, 1), "2023-12-31T18:15:00+00:00"),
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30:00+00:00"),
    ],
)
def test_a_day_starts_at_its_first_valid_instant(zone, day, expected):
    assert starts_at(zone, day).isoformat() == expected


def test_spans_of_a_zone_touch_and_never_overlap():
    gaps = OFFSETS.with_columns(
        before=pl.col("valid_to").shift().over("zone", order_by="valid_from")
    ).filter(pl.col("before").is_not_null() & (pl.col("before") != pl.col("valid_from")))
    assert gaps.is_empty()
    ends = OFFSETS.group_by("zone").agg(pl.col("valid_from").min(), pl.col("valid_to").max())
    assert ends["valid_from"].max() <= datetime(2004, 12, 31, tzinfo=UTC)
    assert ends["valid_to"].min() >= datetime(2029, 1, 2, tzinfo=UTC)


def test_a_zone_asked_twice_is_answered_once():
    assert zone_days(["UTC", "UTC"], date(2024, 1, 1), date(2024, 1, 2)).height == 2


def test_no_zones_are_no_rows():
    assert zone_days([], FIRST, LAST).height == 0
    assert zone_offsets([], FIRST, LAST).height == 0


def test_an_unknown_zone_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"'Europe/Berln' is not a zone .* 'Europe/Berlin'"):
        zone_days(["Europe/Berln"], FIRST, LAST)


@pytest.mark.parametrize(
    ("anchor", "anchor_day", "expected"),
    [
        (date(2024, 1, 31), 31, ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]),
        (date(2025, 1, 31), 31, ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"]),
        (date(2025, 1, 30), 30, ["2025-01-30", "2025-02-28", "2025-03-30", "2025-04-30"]),
        (date(2025, 4, 30), 30, ["2025-04-30", "2025-05-30", "2025-06-30", "2025-07-30"]),
        (date(2025, 4, 30), 31, ["2025-04-30", "2025-05-31", "2025-06-30", "2025-07-31"]),
        (date(2025, 11, 5), 1, ["2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01"]),
    ],
)
def test_boundaries_are_derived_from_the_anchor_day_each_time(anchor, anchor_day, expected):
    assert [boundary(anchor, anchor_day, k).isoformat() for k in range(4)] == expected


@given(st.dates(date(1990, 1, 1), date(2060, 1, 1)), st.integers(1, 31), st.integers(-240, 240))
def test_the_columns_follow_the_scalar_boundary(anchor, anchor_day, k):
    frame = pl.DataFrame({"anchor": [anchor], "anchor_day": [anchor_day], "k": [k]})
    found = frame.select(boundary_expr(pl.col("anchor"), pl.col("anchor_day"), pl.col("k"))).item()
    assert found == boundary(anchor, anchor_day, k)


@given(st.dates(date(1990, 1, 1), date(2060, 1, 1)), st.integers(1, 31), st.integers(-240, 240))
def test_boundaries_rise_by_28_to_31_days(anchor, anchor_day, k):
    step = boundary(anchor, anchor_day, k + 1) - boundary(anchor, anchor_day, k)
    assert timedelta(days=28) <= step <= timedelta(days=31)
