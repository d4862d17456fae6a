"""What the oracle of metering says where nobody published a figure, worked out by hand."""

from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

import pytest

from tests.truth.local_days import day_start, local_clock, local_day
from tests.truth.meter_oracle import Event, live, measure, measure_slots, parts, quantity, window

MARCH = window("UTC", date(2026, 3, 1), date(2026, 4, 1))
HOUR = timedelta(hours=1)


def event(id, at, received=None, action=None, **properties):
    return Event("api", str(id), "t", "c", utc(at), properties, received and utc(received), action)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def meter(aggregation, **keys):
    return {"event_type": "t", "aggregation": aggregation, "property": "n", **keys}


def value(events, meter, window=MARCH):
    (found,) = measure(events, meter, window, "c").values()
    return found.value


def at_noon(*values):
    return [event(i, f"2026-03-{1 + i:02d}T12:00", n=n) for i, n in enumerate(values)]


@pytest.mark.parametrize(
    ("zone", "day", "starts"),
    [
        ("Asia/Kathmandu", "2026-03-01", "2026-02-28T18:15"),
        ("America/St_Johns", "2026-03-09", "2026-03-09T02:30"),
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30"),  # 00:01 goes back to 23:01.
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00"),  # Not there: it starts with the next.
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00"),
        ("Africa/Cairo", "2025-04-25", "2025-04-24T22:00"),  # 00:00 goes on to 01:00.
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00"),
        ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00"),  # 00:00 went back to 23:00.
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30"),  # 23:30 goes on to 00:30.
    ],
)
def test_a_day_starts_once(zone, day, starts):
    day = date.fromisoformat(day)
    assert day_start(zone, day) == utc(starts)
    assert local_day(zone, utc(starts) - timedelta(microseconds=1)) < day


def test_a_clock_put_back_over_midnight_does_not_begin_the_day_again():
    for minute in range(0, 120, 7):
        at = utc("2010-11-07T02:30") + timedelta(minutes=minute)
        assert local_day("America/St_Johns", at) == date(2010, 11, 7)


def test_like_hours_of_a_day_are_two_and_half_an_hour_can_be_one():
    first = utc("2026-04-04T14:00")  # 01:00 at Lord Howe; at 02:00 it is 01:30 again.
    shown = [local_clock("Australia/Lord_Howe", first + n * HOUR / 2) for n in range(4)]
    hours = [(wall.hour, offset) for wall, offset in shown]
    assert [hour for hour, _ in hours] == [1, 1, 1, 2]
    assert len(set(hours)) == 3


def test_a_day_may_open_at_any_hour():
    zone, opens = "Europe/Berlin", time(6)
    assert day_start(zone, date(2026, 3, 29), opens) == utc("2026-03-29T04:00")
    assert local_day(zone, utc("2026-03-29T03:59"), opens) == date(2026, 3, 28)
    assert day_start(zone, date(2026, 3, 29), time(2, 30)) == utc("2026-03-29T01:00")


@pytest.mark.parametrize(
    ("aggregation", "keys", "expected"),
    [
        ("avg", {}, Fraction(7, 3)),
        ("min", {}, 1),
        ("max", {}, 4),
        ("percentile", {"percentile": "0.5"}, 2),
        ("percentile", {"percentile": "0.95"}, Fraction(38, 10)),
        ("percentile", {"percentile": "0"}, 1),
        ("percentile", {"percentile": "1"}, 4),
        ("latest", {}, 2),
        ("unique_count", {}, 3),
        ("sum", {"bucket": "day"}, 7),
        ("count", {}, 4),
    ],
)
def test_values_that_are_not_there_are_skipped_but_counted(aggregation, keys, expected):
    assert value(at_noon(4, None, 1, 2), meter(aggregation, **keys)) == expected


def test_the_latest_of_one_instant_is_told_by_source_and_id():
    same = [event(id, "2026-03-05T00:00", n=n) for id, n in (("b", 2), ("c", 3), ("a", 1))]
    assert value(same, meter("latest")) == 3
    assert value(same, meter("latest", recurring=True), window("UTC", *_next())) == 3
    assert value([event("z", "2026-03-31T00:00"), *same], meter("latest")) == 3


def _next():
    return date(2026, 4, 1), date(2026, 5, 1)


@pytest.mark.parametrize(("recurring", "expected"), [(False, 1), (True, 2)])
def test_what_was_taken_away_at_midnight_was_there_on_the_day(recurring, expected):
    days = window("UTC", date(2026, 3, 2), date(2026, 3, 6), (date(2026, 3, 1), date(2026, 3, 5)))
    operations = [
        event(1, "2026-02-01T00:00", n="a"),
        event(2, "2026-03-05T00:00", n="a", what="remove"),
        event(3, "2026-03-02T23:00", n="b"),
    ]
    read = meter("prorated_unique_count", operation="what", recurring=recurring)
    assert value(operations, read, days) == Fraction(4 if not recurring else 8, 4)
    assert value(operations[:2], read, days) == (Fraction(0) if not recurring else 1)
    kept = meter("unique_count", operation="what", recurring=recurring)
    assert value(operations[::2], kept, days) == expected


def test_a_level_is_weighed_by_instants_and_a_prorated_sum_by_days():
    march = window("Europe/Berlin", date(2026, 3, 1), date(2026, 4, 1))  # An hour is left out.
    last_week = [event(1, "2026-03-31T12:00", n=31)]
    assert value(last_week, meter("weighted_sum"), march) == Fraction(31 * 10, 31 * 24 - 1)
    assert value(last_week, meter("prorated_sum"), march) == 1
    stub = window(
        "Europe/Berlin", date(2026, 3, 11), date(2026, 4, 1), (march.start_on, *_next()[:1])
    )
    assert value(last_week, meter("weighted_sum", recurring=True), stub) == Fraction(310, 743)
    assert value(at_noon(31), meter("prorated_sum", recurring=True), stub) == 21


def test_dimensions_without_a_value_are_a_group_of_their_own():
    events = [
        event(1, "2026-03-01T00:00", n=1, live=True, tier=3),
        event(2, "2026-03-01T00:00", n=2, live=True, tier=3),
        event(3, "2026-03-01T00:00", tier=3),
    ]
    found = measure(events, meter("sum", dimensions=["tier", "live"], empty="7"), MARCH, "c")
    assert {key: one.quantity for key, one in found.items()} == {
        '{"live":true,"tier":3}': 3,
        '{"live":null,"tier":3}': 7,
    }
    nothing = measure([], meter("sum", dimensions=["tier"]), MARCH, "c")
    assert list(nothing.items()) == [("{}", (None, 0))]


@pytest.mark.parametrize(
    ("keys", "number", "expected"),
    [
        ({"decimals": 0}, "2.5", 3),
        ({"decimals": 0}, "-2.5", -3),
        ({"round": {"places": 0, "mode": "ceiling"}}, "-2.5", -2),
        ({"round": {"places": 0, "mode": "floor"}}, "-2.5", -3),
        ({"round": {"places": -2}}, "150", 200),
        ({"round": {"places": -2, "mode": "floor"}, "decimals": 3}, "199.9", 100),
        ({"convert": {"multiply": "2", "divide": "3"}, "decimals": 2}, "1", Fraction("0.67")),
    ],
)
def test_a_quantity_is_converted_and_rounded_once(keys, number, expected):
    assert quantity(meter("sum", **keys), Fraction(number)) == expected


def test_only_the_newest_version_counts_and_a_void_one_never():
    arrived = [
        event(1, "2026-03-01T00:00", n=1),
        event(2, "2026-03-01T00:00", n=2),
        event(1, "2026-03-01T00:00", n=9),
        event(2, "2026-03-09T00:00", action="amend", n=4),
        event(3, "2026-03-01T00:00", n=8),
        event(3, "2026-03-01T00:00", action="void"),
    ]
    assert value(live(arrived), meter("sum")) == 5
    assert value(live(arrived, ["api"]), meter("sum")) == 13


def test_the_clock_of_receipt_decides_the_window():
    late = [event(1, "2026-03-31T23:59", received="2026-04-01T00:00", n=5)]
    again = live([*late, late[0]._replace(received_at=utc("2026-05-01T00:00"))], ["api"])
    assert again == late
    assert value(late, meter("sum", clock="received")) is None
    assert value(late, meter("sum", clock="received"), window("UTC", *_next())) == 5


def test_a_definition_that_begins_inside_a_window_holds_from_its_day_if_both_say_so():
    old, new = meter("sum", split=True), meter("count", split=True)
    slots = [(date(2026, 1, 1), old), (date(2026, 3, 3), new), (date(2026, 5, 1), old)]

    def total(slots, *values):
        return measure_slots(at_noon(*values), slots, MARCH, "c")["{}"].value

    assert [part[:2] for part in parts(slots, MARCH)] == [
        (date(2026, 3, 1), date(2026, 3, 3)),
        (date(2026, 3, 3), date(2026, 4, 1)),
    ]
    assert total(slots, 5, 6, 7, 8) == 11 + 2
    assert total(slots, 5) == 5
    assert total(slots) is None
    for one, other in ((meter("sum"), new), (old, meter("count"))):
        assert total([(slots[0][0], one), (slots[1][0], other)], 5, 6, 7, 8) == 26


def test_a_bucket_is_an_hour_of_the_local_clock():
    berlin = window("Europe/Berlin", date(2026, 10, 1), date(2026, 11, 1))
    twice = [event(n, f"2026-10-25T0{n}:30", n=n + 1) for n in (0, 1)]  # 02:30 and 02:30 again.
    half = [event(n, f"2026-10-0{n}T10:29", n=n) for n in (1, 2)]
    assert value(twice, meter("max", bucket="hour"), berlin) == 3
    assert value(twice, meter("max", bucket="day"), berlin) == 2
    kathmandu = window("Asia/Kathmandu", date(2026, 10, 1), date(2026, 11, 1))
    near = [event("a", "2026-10-05T10:14", n=4), event("b", "2026-10-05T10:15", n=5)]
    assert value([*half, *near], meter("max", bucket="hour"), kathmandu) == 12
