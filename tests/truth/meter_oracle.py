"""What a meter must measure, worked out slowly from events with fractions and zoneinfo.

Shares no code with the product: one loop over the events of one window, one function for each
aggregation. Quantities are fractions; a value of None says that nothing was measured.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple

from tests.truth.local_days import DAY, MICROSECOND, day_start, local_clock, local_day


class Event(NamedTuple):
    """One record in the order of arrival; `action` is amend, void or None for a first version."""

    source: str
    id: str
    type: str
    customer: str
    time: datetime
    properties: Mapping[str, Any]
    received_at: datetime | None = None
    action: str | None = None


class Window(NamedTuple):
    """A half-open window and the full period it lies in: instants, local days, their zone."""

    zone: str
    start: datetime
    end: datetime
    start_on: date
    end_on: date
    period_start: datetime
    period_end: datetime
    period_start_on: date
    period_end_on: date
    opens: time = time()

    @property
    def days(self):
        return [self.start_on + n * DAY for n in range((self.end_on - self.start_on).days)]

    @property
    def period_days(self):
        return (self.period_end_on - self.period_start_on).days


class Measured(NamedTuple):
    """One combination of dimension values: what was measured, and the quantity made of it."""

    value: Fraction | None
    quantity: Fraction


class Reading(NamedTuple):
    """One event as one meter sees it; `at` by the meter's clock."""

    at: datetime
    source: str
    id: str
    value: Any
    is_removal: bool


def window(zone, start_on, end_on, period=None, opens=time(), edges=(None, None)):
    """The window of local days; its period is the window itself where none is given.

    Days begin at `opens`; `edges` are the times at which the first begins and the last day, which
    else is not in the window, ends.
    """
    first, last = period or (start_on, end_on)
    opening, closing = (day_start(zone, day, opens) for day in (first, last))
    start, end = (
        day_start(zone, day, opens if at is None else at)
        for day, at in zip((start_on, end_on), edges, strict=True)
    )
    # A day of which the window has a part is a day of the window.
    until = local_day(zone, end - MICROSECOND, opens) + DAY if edges[1] else end_on
    return Window(zone, start, end, start_on, until, opening, closing, first, last, opens)


# Which events count


def live(events, supersede=()):
    """The newest version of each (source, id), without those that were made void.

    A later record that is no amendment changes something only in sources that restate, and there
    only if it says anything else.
    """
    newest = {}
    for event in events:
        key = event.source, event.id
        held = newest.get(key)
        is_news = held is None or event != held._replace(received_at=event.received_at)
        if held is None or event.action or (event.source in supersede and is_news):
            newest[key] = event
    return [event for event in newest.values() if event.action != "void"]


def read(events, meter, customer):
    """What the meter reads of living events, in order of time, by the key of its dimensions."""
    found = {}
    names = meter.get("dimensions", ())
    for event in events:
        if (event.type, event.customer) == (meter["event_type"], customer) and passes(meter, event):
            key = {name: event.properties.get(name) for name in names}
            text = json.dumps(key, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            found.setdefault(text, []).append(_reading(meter, event))
    return {key: sorted(some, key=lambda one: one[:3]) for key, some in found.items()}


def passes(meter, event):
    """Whether the filter holds: values by property, or any predicate over the properties."""
    keep = meter.get("filter", {})
    if callable(keep):
        return keep(event.properties)
    return all(
        name in event.properties and event.properties[name] in values
        for name, values in keep.items()
    )


def _reading(meter, event):
    at = event.received_at if meter.get("clock") == "received" else event.time
    value = event.properties.get(meter["property"]) if "property" in meter else None
    operation = event.properties.get(meter["operation"]) if "operation" in meter else None
    return Reading(at, event.source, event.id, value, operation == "remove")


# What a window holds


def measure(events, meter, window, customer):
    """The determinants of one window by the canonical JSON of their dimensions."""
    return _determinants(meter, _values(events, meter, window, customer))


def measure_slots(events, slots, window, customer):
    """The same under a definition that may change: `slots` are (first day, meter) in order.

    What holds at the window's start holds for all of it, unless it and later ones say `split`:
    then each part is measured by its own, and what they add up to is the quantity of the first.
    """
    first = [meter for since, meter in slots if since <= window.start_on][-1]
    added = {}
    for day, until, meter in parts(slots, window):
        of_part = _part(window, day, until)
        for key, value in _values(events, meter, of_part, customer).items():
            known = [one for one in (added.get(key), value) if one is not None]
            added[key] = sum(known, Fraction(0)) if known else None
    return _determinants(first, added)


def parts(slots, window):
    """(first day, day after the last, meter) of each part of a window."""
    first = [meter for since, meter in slots if since <= window.start_on][-1]
    inside = [slot for slot in slots if window.start_on < slot[0] < window.end_on]
    begun = [(window.start_on, first)]
    begun += [slot for slot in inside if first.get("split") and slot[1].get("split")]
    ends = [*(day for day, _ in begun[1:]), window.end_on]
    return [(day, until, meter) for (day, meter), until in zip(begun, ends, strict=True)]


def _determinants(meter, values):
    measured = {key: Measured(value, quantity(meter, value)) for key, value in values.items()}
    return measured or {"{}": Measured(None, quantity(meter, None))}


def _values(events, meter, window, customer):
    """By dimensions what was measured, of all that the meter read anything of."""
    found = {}
    for key, readings in read(events, meter, customer).items():
        earlier = [one for one in readings if one.at < window.start] if carried(meter) else []
        inside = [one for one in readings if window.start <= one.at < window.end]
        if earlier or inside:
            found[key] = _value(meter, earlier, inside, window)
    return found


def _part(window, first, last):
    starts = window.start if first == window.start_on else None
    ends = window.end if last == window.end_on else None
    return window._replace(
        start=starts or day_start(window.zone, first, window.opens),
        end=ends or day_start(window.zone, last, window.opens),
        start_on=first,
        end_on=last,
    )


def carried(meter):
    return bool(meter.get("recurring"))


def quantity(meter, value):
    """The value in the meter's unit, rounded once; what was not measured is as the meter says."""
    if value is None:
        return Fraction(meter.get("empty", "0"))
    convert, rule = meter.get("convert", {}), meter.get("round")
    scaled = value * Fraction(convert.get("multiply", "1")) / Fraction(convert.get("divide", "1"))
    if rule is None:
        return rounded(scaled, meter.get("decimals", 6), "half_up")
    return rounded(scaled, rule["places"], rule.get("mode", "half_up"))


def rounded(value, places, mode):
    """To so many decimal places; half_up takes halves away from zero."""
    unit = Fraction(10) ** -places
    steps = value / unit
    if mode == "ceiling":
        return ceil(steps) * unit
    if mode == "floor":
        return floor(steps) * unit
    away = floor(abs(steps) + Fraction(1, 2))
    return (away if steps >= 0 else -away) * unit


def _value(meter, earlier, inside, window):
    if meter["aggregation"] != "count":
        earlier, inside = ([r for r in some if r.value is not None] for some in (earlier, inside))
    if not earlier and not inside:
        return None
    if meter.get("bucket"):
        return _bucketed(meter, inside, window)
    return AGGREGATIONS[meter["aggregation"]](meter, earlier, inside, window)


def _bucketed(meter, inside, window):
    buckets = {}
    for one in inside:
        buckets.setdefault(_bucket(meter["bucket"], window, one.at), []).append(one)
    aggregate = AGGREGATIONS[meter["aggregation"]]
    return sum((aggregate(meter, [], some, window) for some in buckets.values()), Fraction(0))


def _bucket(size, window, at):
    if size == "day":
        return local_day(window.zone, at, window.opens)
    shown, offset = local_clock(window.zone, at)
    hour = shown.replace(minute=0, second=0, microsecond=0)
    return (hour, offset) if size == "hour" else (hour, shown.minute, offset)


# One function for each aggregation: earlier and inside hold values, and one of them holds one.


def _count(meter, earlier, inside, window):
    return Fraction(len(inside))


def _sum(meter, earlier, inside, window):
    return _total(earlier) + _total(inside)


def _min(meter, earlier, inside, window):
    return min(_numbers(inside))


def _max(meter, earlier, inside, window):
    return max(_numbers(inside))


def _avg(meter, earlier, inside, window):
    return _total(inside) / len(inside)


def _latest(meter, earlier, inside, window):
    return _numbers([*earlier, *inside])[-1]


def _percentile(meter, earlier, inside, window):
    values = sorted(_numbers(inside))
    height = (len(values) - 1) * Fraction(meter["percentile"])
    low = floor(height)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (height - low)


def _weighted_sum(meter, earlier, inside, window):
    level, since, area = _total(earlier), window.start, Fraction(0)
    for one in inside:
        area += level * _microseconds(one.at - since)
        level, since = level + Fraction(one.value), one.at
    area += level * _microseconds(window.end - since)
    return area / _microseconds(window.period_end - window.period_start)


def _prorated_sum(meter, earlier, inside, window):
    days = _total(earlier) * len(window.days)
    for one in inside:
        left = window.end_on - local_day(window.zone, one.at, window.opens)
        days += Fraction(one.value) * left.days
    return days / window.period_days


def _unique_count(meter, earlier, inside, window):
    return Fraction(len(_kept([*earlier, *inside])))


def _prorated_unique_count(meter, earlier, inside, window):
    active = 0
    for day in window.days:
        first = max(window.start, day_start(window.zone, day, window.opens))
        last = min(window.end, day_start(window.zone, day + DAY, window.opens))
        at_start = _kept([*earlier, *(one for one in inside if one.at < first)])
        added = {_thing(r.value) for r in inside if first <= r.at < last and not r.is_removal}
        active += len(at_start | added)
    return Fraction(active, window.period_days)


AGGREGATIONS = {
    "count": _count,
    "sum": _sum,
    "min": _min,
    "max": _max,
    "avg": _avg,
    "latest": _latest,
    "percentile": _percentile,
    "weighted_sum": _weighted_sum,
    "prorated_sum": _prorated_sum,
    "unique_count": _unique_count,
    "prorated_unique_count": _prorated_unique_count,
}


def _kept(readings):
    """The things whose last operation did not take them away; readings are in order."""
    last = {_thing(one.value): one.is_removal for one in readings}
    return {thing for thing, is_removed in last.items() if not is_removed}


def _thing(value):
    # Equal numbers are one thing however they were written; true is not 1.
    if isinstance(value, bool | str):
        return type(value).__name__, value
    return "number", Fraction(value)


def _numbers(readings):
    return [Fraction(one.value) for one in readings]


def _total(readings):
    return sum(_numbers(readings), Fraction(0))


def _microseconds(span):
    return span // MICROSECOND
