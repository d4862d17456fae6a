"""The oracle of metering against every published case, and against what has no published case."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise

import pytest

from tests.conformance.vectors import COMMITTED, load
from tests.truth.local_days import DAY, MICROSECOND, day_start, local_day
from tests.truth.meter_oracle import Event, Window, live, measure, rounded

CASES = [case for case in load(str(COMMITTED), None).cases if case["kind"] == "meter"]
# A record at the instant of a cancellation is counted there; our windows are half open.
OTHERWISE = {"kb-transition-instants": "12"}


def instant(text):
    return datetime.fromisoformat(text)


def number(text):
    """The number, or None for what is none."""
    try:
        return Fraction(Decimal(text))
    except (InvalidOperation, TypeError):
        return None


def meter_of(case):
    meter = {
        "event_type": "t",
        "aggregation": case["aggregation"],
        "dimensions": case.get("group_by") or (),
        "recurring": case.get("recurring", False),
        "bucket": case.get("bucket_of"),
        "filter": lambda data: keeps(case.get("filters") or {}, data),
        # Lago names it so in every case; one leaves it out.
        "operation": case.get("operation_field") or "operation_type",
    }
    return meter | ({"property": case["field"]} if case.get("field") else {})


def keeps(filters, data):
    def matches(wanted):
        return all(data.get(name) in values for name, values in wanted.items() if values)

    exclusions = [one for one in filters.get("exclude") or () if any(one.values())]
    return matches(filters.get("match") or {}) and not any(map(matches, exclusions))


def events_of(case):
    """The case's records in the order given; what is no number waits outside, as in our door."""
    dedupe = case.get("dedupe") or {"fields": ["idempotency_key"], "keep": "first"}
    for one in case["events"]:
        if case.get("customer") not in (None, one["customer"]) or not is_stored(case, one):
            continue
        properties = {name: value for name, value in one["properties"].items() if value is not None}
        field = case.get("field")
        if field in properties and not case["aggregation"].endswith("unique_count"):
            properties[field] = number(properties[field])
            if properties[field] is None:
                continue
        id = "|".join(str(one[name]) for name in dedupe["fields"])
        yield Event(dedupe["keep"], id, "t", "c", instant(one["timestamp"]), properties)
    yield from carried(case)


def is_stored(case, event):
    stored = event.get("stored_at")
    return stored is None or (
        case.get("stored_from", stored) <= stored < case.get("stored_before", "9")
    )


def carried(case):
    """What the case had at its start, as events a day before it."""
    before = instant(case["period"]["start"]) - DAY
    values = [
        *({"group": {}, "value": v} for v in [case.get("initial_value")] if v is not None),
        *(case.get("initial_values") or ()),
    ]
    for place, one in enumerate(values):
        yield Event(
            "first",
            f"carried-{place}",
            "t",
            "c",
            before,
            {**one["group"], case["field"]: number(one["value"])},
        )


def window_of(case, start, end):
    """A window as a case has it: any two instants, and how many days its period has."""
    zone = case.get("timezone") or "UTC"
    first, last = local_day(zone, start), local_day(zone, end - MICROSECOND) + DAY
    days = case.get("period_days") or (last - first).days
    return Window(zone, start, end, first, last, start, end, last - days * DAY, last)


def cut(case):
    """The windows a case asks for: all of its period, or the minutes, hours or days of it."""
    start, end = (instant(case["period"][edge]) for edge in ("start", "end"))
    step, zone = case.get("window"), case.get("timezone") or "UTC"
    if step is None:
        return [(start, end)]
    if step == "day":
        edges = [day_start(zone, local_day(zone, start) + n * DAY) for n in range(40)]
    else:
        whole = start.replace(second=0, minute=start.minute if step == "minute" else 0)
        edges = [whole + n * timedelta(**{step + "s": 1}) for n in range(2000)]
    found = list(pairwise(edges))
    if case.get("align") == "inside":
        return [(opens, ends) for opens, ends in found if start <= opens and ends <= end]
    return [(opens, ends) for opens, ends in found if opens < end]


def found_of(case):
    """Rows of what the oracle measures: window, group and value, which is None for nothing."""
    events, meter = live(events_of(case), ("last",)), meter_of(case)
    return [
        (opens, ends, key, one.value)
        for opens, ends in cut(case)
        for key, one in measure(events, meter, window_of(case, opens, ends), "c").items()
    ]


def check(case):
    rows, expected = found_of(case), OTHERWISE.get(case["id"], case["expected"])
    if isinstance(expected, list) and "group" in expected[0]:
        found = [{"group": key, "value": shown(case, value)} for *_, key, value in rows]
        expected = [{**one, "group": canonical(one["group"])} for one in expected]
    elif isinstance(expected, list):
        found = [
            {"window_start": text(opens), "window_end": text(ends), "value": shown(case, value)}
            for opens, ends, _, value in rows
            if value is not None
        ]
    else:
        assert [key for *_, key, _ in rows] == ["{}"] * len(rows)
        values = [value for *_, value in rows if value is not None]
        found = shown(case, sum(values) if values or expected is not None else None)
        expected = [{"value": expected}]
        found = [{"value": found}]
    published = [{**one, "value": shown(case, number(one["value"]))} for one in expected]
    assert sorted(found, key=repr) == sorted(published, key=repr)


def shown(case, value):
    """A value as it was published: None for nothing, else rounded as the case says."""
    if value is None or "round_to" not in case:
        return value
    mode = case.get("rounding", "half_up")
    return rounded(value, case["round_to"], {"ceil": "ceiling"}.get(mode, mode))


def canonical(group):
    return json.dumps(group, sort_keys=True, separators=(",", ":"))


def text(at):
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_oracle_measures_what_was_published(case):
    check(case)


def test_nothing_published_is_left_out():
    assert len(CASES) >= 105
    assert set(OTHERWISE) < {case["id"] for case in CASES}
