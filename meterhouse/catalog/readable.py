"""Whether meters can read what events carry, exactly."""

from collections.abc import Iterator, Mapping

from meterhouse.catalog.documents import Property
from meterhouse.catalog.fields import nearest, places
from meterhouse.catalog.known import Book, Slot
from meterhouse.catalog.meters import UNIQUE, Meter
from meterhouse.contracts.documents import Flat

SCALE = 18  # Decimals of DECIMAL(38, 18): quantity and price together, so that products are exact.
NUMERIC = {"integer", "decimal"}
# Their quantities have the decimals of the values; all others are quotients.
EXACT = {"sum", "min", "max", "latest"}
FILTERED: Mapping[str, type] = {"string": str, "boolean": bool}


def properties(book: Book) -> Iterator[str]:
    """Faults for a property name typed in two ways: events keep one column per name."""
    first: dict[str, tuple[Property, str]] = {}
    for slot in book.event_types:
        for name, one in slot.model.properties.items():
            known, place = first.setdefault(name, (one, slot.document.place))
            if (known.type, known.decimals) != (one.type, one.decimals):
                yield slot.fault(
                    f"property {name!r} is {_typed(one)}, but {_typed(known)} in "
                    f"{place}; a name has one type in the whole book. "
                    "Rename one of the two."
                )


def meters(book: Book) -> Iterator[str]:
    """Faults for properties that a meter cannot sum or filter by."""
    carried: dict[str, dict[str, Property]] = {}
    for event_type in book.event_types:
        carried.setdefault(event_type.id, {}).update(event_type.model.properties)
    for slot in book.meters:
        if slot.model.event_type in carried:  # A missing event type is told elsewhere.
            yield from _values(slot, carried[slot.model.event_type])
            yield from _filters(slot, carried[slot.model.event_type])


def scales(book: Book) -> Iterator[str]:
    """Faults for a quantity and a price that have too many decimals together."""
    decimals: dict[str, int] = {}
    for meter in book.meters:
        decimals[meter.id] = max(decimals.get(meter.id, 0), meter.model.decimals)
        listed = meter.model.list_price
        if listed is not None:
            price = places(listed.unit_amount)
            yield from _scale(meter.fault("list_price"), meter.id, meter.model.decimals, price)
    for slot in book.contracts:
        for item in slot.model.items:
            if item.meter in decimals and not isinstance(item.price, Flat):
                who = slot.fault(f"item {item.id!r}")
                yield from _scale(who, item.meter, decimals[item.meter], item.price.decimals)


def _scale(who: str, meter: str, quantity: int, price: int) -> Iterator[str]:
    if quantity + price > SCALE:
        yield (
            f"{who}: the price has {price} decimals and meter {meter!r} has {quantity}, together "
            f"more than {SCALE}; amounts would not be exact. Give one of them fewer decimals."
        )


def _values(slot: Slot[Meter], carried: Mapping[str, Property]) -> Iterator[str]:
    meter, kind = slot.model, slot.model.aggregation
    for key in ("property", "operation"):
        name = getattr(meter, key)
        if name is not None and name not in carried:
            yield slot.fault(_absent(name, str(meter.event_type), carried))
    for name in meter.dimensions:
        if name not in carried:
            yield slot.fault(_absent(name, str(meter.event_type), carried))
    if meter.operation in carried and carried[meter.operation].type != "string":
        yield slot.fault(f"`operation` {meter.operation!r} is not a string property.")
    value = carried.get(meter.property or "")
    if value is None or kind in UNIQUE:
        return
    if value.type not in NUMERIC:
        yield slot.fault(
            f"property {meter.property!r} is {_typed(value)}; {kind} needs an integer or decimal."
        )
    elif (value.decimals or 0) > meter.decimals and kind in EXACT and meter.round is None:
        yield slot.fault(
            f"property {meter.property!r} has {value.decimals} decimals, but the meter keeps only "
            f"{meter.decimals}; the quantity would be rounded. Set `decimals` of the meter to "
            f"{value.decimals}, or say `round`."
        )


def _filters(slot: Slot[Meter], carried: Mapping[str, Property]) -> Iterator[str]:
    if isinstance(slot.model.filter, str):
        return
    for name, values in slot.model.filter.items():
        if name not in carried:
            yield slot.fault(_absent(name, str(slot.model.event_type), carried))
            continue
        wanted = FILTERED.get(carried[name].type)
        if wanted is None or any(not isinstance(value, wanted) for value in values):
            yield slot.fault(
                f"the filter on property {name!r}, which is {_typed(carried[name])}, cannot match; "
                "filters compare texts with string properties and true or false with boolean ones."
            )


def _absent(name: str, event_type: str, carried: Mapping[str, Property]) -> str:
    return f"event type {event_type!r} has no property {name!r}; {nearest(name, list(carried))}"


def _typed(one: Property) -> str:
    return one.type if one.decimals is None else f"{one.type} with {one.decimals} decimals"
