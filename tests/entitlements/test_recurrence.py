"""When a grant is refilled: by the clock of its zone, months from its beginning."""

from datetime import UTC, datetime

import pytest

from meterhouse.entitlements.recurrence import parsed, refills


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def found(begins, count, unit, until, zone="UTC"):
    return [f"{one:%m-%dT%H}" for one in refills(at(begins), count, unit, at(until), zone)]


def test_months_end_with_a_shorter_month_and_are_counted_from_the_beginning():
    assert found("2024-01-31T10:00", 1, "month", "2024-04-30T10:00") == [
        "02-29T10",
        "03-31T10",
        "04-30T10",
    ]


def test_a_day_is_a_day_of_the_zone_also_when_clocks_change():
    assert found("2024-03-30T11:00", 1, "day", "2024-04-01T00:00", "Europe/Berlin") == ["03-31T10"]


def test_hours_and_weeks_and_quarters():
    assert found("2024-01-01T00:00", 6, "hour", "2024-01-01T12:00") == ["01-01T06", "01-01T12"]
    assert found("2024-01-01T00:00", 1, "week", "2024-01-08T00:00") == ["01-08T00"]
    assert found("2024-01-01T00:00", 1, "quarter", "2024-07-01T00:00") == ["04-01T00", "07-01T00"]


def test_nothing_before_the_first_refill():
    assert found("2024-01-01T00:00", 1, "year", "2024-12-31T23:59") == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1 day", (1, "day")),
        ("3 months", (3, "month")),
        ("monthly", (1, "month")),
        ("daily", (1, "day")),
        ("year", (1, "year")),
    ],
)
def test_how_it_is_written(text, read):
    assert parsed(text) == read


@pytest.mark.parametrize("text", ["", "0 days", "now and then", "1 moon", "1 2 days"])
def test_what_is_no_recurrence_is_refused(text):
    with pytest.raises(ValueError, match="not a recurrence"):
        parsed(text)
