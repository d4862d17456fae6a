"""How a line was measured, as sentences under its quantity."""

from collections.abc import Iterator
from typing import Any

from meterhouse.cli.values import grouped, number_text

MODES = {"half_up": "halves away from zero", "ceiling": "up", "floor": "down"}


def measure_lines(measure: dict[str, Any] | None) -> Iterator[str]:
    """One sentence per step from events to the quantity, and what does not agree."""
    if measure is None:
        return
    if measure["aggregation"] == "sql":
        yield f"model {measure['model']}, compiled SQL {measure['compiled_sha256'] or 'unknown'}"
        recorded = measure["recorded"]
        yield f"recorded: {_number(recorded['quantity'])} from {recorded['event_count']} events"
    elif measure["aggregation"] is not None:
        yield from _steps(measure)
    yield from measure["says"]


def day_text(day: dict[str, Any]) -> str:
    """One day: its figure, and from how many events."""
    figure = "nothing" if day["quantity"] is None else _number(day["quantity"])
    values = "" if day["values"] == day["events"] else f", {day['values']:,} with a value"
    return f"{day['day']}  {figure} from {day['events']:,} events{values}"


def _steps(measure: dict[str, Any]) -> Iterator[str]:
    yield _head(measure)
    if measure["opening"] is not None:
        opening = measure["opening"]
        level = _number(opening["level"])
        yield f"opens with {level}, from {opening['events']:,} events before the window"
    if measure["neighbours"] is not None:
        yield _neighbours(measure["neighbours"])
    for part in measure["parts"]:
        yield (
            f"{part['start']} to before {part['end']} by version {part['meter_version']}: "
            f"{_number(part['numerator'])} from {part['event_count']:,} events"
        )
    for one in measure.get("pooled", []):
        quantity = "" if one["quantity"] is None else f"{_number(one['quantity'])} "
        yield f"of {one['customer']}: {quantity}from {one['events']:,} events"
    if not measure["is_measured"]:
        yield f"nothing was measured: the meter says {_number(measure['quantity'])} of that"
        return
    yield _fraction(measure)


def _head(measure: dict[str, Any]) -> str:
    of = f" of {measure['property']}" if measure["property"] else ""
    of += f" for each {measure['bucket']}, added up" if measure["bucket"] else ""
    clock = ", by the time of receipt" if measure["clock"] == "received" else ""
    return f"{measure['aggregation']}{of} over {measure['event_count']:,} events{clock}"


def _neighbours(one: dict[str, Any]) -> str:
    return (
        f"value {one['position']:,} of {one['values']:,} is {_number(one['low'])}, the next is "
        f"{_number(one['high'])}; {one['distance']} of the way between"
    )


def _fraction(measure: dict[str, Any]) -> str:
    numerator, denominator = measure["numerator"], measure["denominator"]
    told = f"{_number(numerator['value'])} {numerator['what']}"
    if denominator is not None:
        told += f" / {_number(denominator['value'])} {denominator['what']}"
    convert, rounding = measure["convert"], measure["round"]
    told += f" × {_number(convert['multiply'])}" if convert["multiply"] != "1" else ""
    told += f" / {_number(convert['divide'])}" if convert["divide"] != "1" else ""
    return (
        f"{told} = {_number(measure['quantity'])} {measure['unit']}, to {rounding['places']} "
        f"decimals ({MODES[rounding['mode']]})"
    )


def _number(text: str) -> str:
    return grouped(number_text(text))
