"""Whether each meter can measure what its events carry."""

from collections.abc import Iterator, Mapping

from meterhouse.catalog.documents import Property
from meterhouse.catalog.fields import nearest
from meterhouse.catalog.known import Book, Slot
from meterhouse.catalog.meters import UNIQUE, Meter, ratio
from meterhouse.catalog.readable import typed
from meterhouse.metering import filters
from meterhouse.metering.filter_tree import Filter, conditions
from meterhouse.metering.filter_types import faults

NUMERIC = {"integer", "decimal"}
# Two spellings of a decimal are one value, which a text as key of a line could not say.
DIMENSIONAL = {"string", "boolean", "integer"}
# Their quantities have the decimals of the values; all others are quotients.
EXACT = {"sum", "min", "max", "latest"}
ENUMERATED = ("=", "!=", "in", "not in")

Carried = Mapping[str, Property]


def meters(book: Book) -> Iterator[str]:
    """Faults for properties that a meter cannot measure, filter or tell apart by."""
    carried = properties_of(book)
    for slot in book.meters:
        of_type = carried.get(slot.model.event_type or "")
        if of_type is not None:  # A missing event type is told elsewhere.
            yield from _absent(slot, of_type)
            yield from _measured(slot, of_type)
            yield from _told_apart(slot, of_type)
            yield from _filtered(slot, of_type)


def properties_of(book: Book) -> Mapping[str, dict[str, Property]]:
    """The properties of each event type, as its newest document says them."""
    carried: dict[str, dict[str, Property]] = {}
    for slot in book.event_types:
        carried.setdefault(slot.id, {}).update(slot.model.properties)
    return carried


def filter_of(meter: Meter) -> Filter:
    """The filter of a meter, in whichever form it is written."""
    given = meter.filter
    return filters.parse(given) if isinstance(given, str) else filters.from_values(given)


def _absent(slot: Slot[Meter], carried: Carried) -> Iterator[str]:
    meter = slot.model
    for name in dict.fromkeys((meter.property, meter.operation, *meter.dimensions)):
        if name is not None and name not in carried:
            yield slot.fault(
                f"event type {meter.event_type!r} has no property {name!r}; "
                f"{nearest(name, list(carried))}"
            )


def _measured(slot: Slot[Meter], carried: Carried) -> Iterator[str]:
    meter, kind = slot.model, slot.model.aggregation
    value = carried.get(meter.property or "")
    if value is None or kind in UNIQUE:
        return
    if value.type not in NUMERIC:
        yield slot.fault(
            f"property {meter.property!r} is {typed(value)}; {kind} needs an integer or decimal."
        )
        return
    needed = _places(meter, value)
    if needed > meter.decimals and meter.round is None:
        converted = " after its conversion" if meter.convert.multiply != 1 else ""
        yield slot.fault(
            f"property {meter.property!r} has {needed} decimals{converted}, but the meter keeps "
            f"only {meter.decimals}; the quantity would be rounded. Set `decimals` of the meter "
            f"to {needed}, or say `round`."
        )


def _places(meter: Meter, value: Property) -> int:
    """Decimals of an exact quantity; a quotient is rounded in any case and needs none."""
    over, under = ratio(meter.convert.multiply, meter.convert.divide)
    if meter.aggregation not in EXACT or under != 1:
        return 0
    digits = str(over)
    return max((value.decimals or 0) - (len(digits) - len(digits.rstrip("0"))), 0)


def _told_apart(slot: Slot[Meter], carried: Carried) -> Iterator[str]:
    meter = slot.model
    operation = carried.get(meter.operation or "")
    if operation is not None and operation.type != "string":
        yield slot.fault(
            f"`operation` {meter.operation!r} is {typed(operation)}; it must be a string property, "
            "which says `remove` where an item is taken away."
        )
    if operation is not None and operation.values and "remove" not in operation.values:
        yield slot.fault(
            f"`operation` {meter.operation!r} has `values` without 'remove', so that no item "
            "would ever be taken away. Add 'remove' to them, or leave `operation` out."
        )
    for name in meter.dimensions:
        if name in carried and carried[name].type not in DIMENSIONAL:
            yield slot.fault(
                f"dimension {name!r} is {typed(carried[name])}; quantities are told apart by "
                "string, boolean and integer properties. Send its class as a text instead."
            )


def _filtered(slot: Slot[Meter], carried: Carried) -> Iterator[str]:
    found = filter_of(slot.model)
    types = {name: (one.type, one.decimals) for name, one in carried.items()}
    wrong = faults(found, types)
    yield from (slot.fault(one if one.endswith((".", "?")) else f"{one}.") for one in wrong)
    if not wrong:
        yield from _outside(slot, found, carried)


def _outside(slot: Slot[Meter], found: Filter, carried: Carried) -> Iterator[str]:
    """Faults for values that a property is declared never to have."""
    for condition in conditions(found.root):
        declared = carried[condition.name].values
        if declared is None or condition.operator not in ENUMERATED:
            continue
        for value in dict.fromkeys(str(one.value) for one in condition.values):
            if value not in declared:
                yield slot.fault(
                    f"the filter asks whether {condition.name!r} is {value!r}, which is none of "
                    f"its `values`; {nearest(value, list(declared))}"
                )
