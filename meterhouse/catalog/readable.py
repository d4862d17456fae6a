"""Whether properties mean one thing in the whole book, and amounts stay exact."""

from collections.abc import Iterator, Sequence

from meterhouse.catalog.documents import Property
from meterhouse.catalog.fields import places
from meterhouse.catalog.known import Book
from meterhouse.catalog.meters import Meter
from meterhouse.catalog.plan import Version
from meterhouse.contracts.prices import Flat

SCALE = 18  # Decimals of DECIMAL(38, 18): quantity and price together, so that products are exact.


def properties(book: Book) -> Iterator[str]:
    """Faults for a property name that means two things: events keep one column per name."""
    first: dict[str, tuple[Property, str]] = {}
    for slot in book.event_types:
        for name, one in slot.model.properties.items():
            known, place = first.setdefault(name, (one, slot.document.place))
            for said, before in differences(name, one, known):
                yield slot.fault(
                    f"property {name!r} is {said}, but {before} in "
                    f"{place}; a name has one type and one path in the whole book. "
                    "Rename one of the two."
                )


def recorded(book: Book, versions: Sequence[Version]) -> Iterator[str]:
    """Faults for a property that was recorded in another way: its column holds those values."""
    first: dict[str, Property] = {}
    for version in versions:
        if version.kind == "event_type":
            for name, content in version.content["properties"].items():
                first.setdefault(name, Property.model_validate(content))
    for slot in book.event_types:
        for name, one in slot.model.properties.items():
            for said, before in differences(name, one, first.get(name, one)):
                yield slot.fault(
                    f"property {name!r} is {said}, but was recorded as {before}; the events that "
                    "were read so stay as they are, and meters would read a mixture. Give the new "
                    "property a name of its own, and leave this one as it was."
                )


def differences(name: str, one: Property, known: Property) -> Iterator[tuple[str, str]]:
    """What two properties of one name say differently of their value, each in words."""
    if (one.type, one.decimals, one.digits) != (known.type, known.decimals, known.digits):
        yield typed(one), typed(known)
    if one.place(name) != known.place(name):
        yield f"read at {one.place(name)!r}", f"read at {known.place(name)!r}"


def scales(book: Book) -> Iterator[str]:
    """Faults for a quantity and a price that have too many decimals together."""
    decimals: dict[str, int] = {}
    for meter in book.meters:
        kept = kept_places(meter.model)
        decimals[meter.id] = max(decimals.get(meter.id, 0), kept)
        listed = meter.model.list_price
        if listed is not None:
            price = places(listed.unit_amount)
            yield from _scale(meter.fault("list_price"), meter.id, kept, price)
    for slot in book.contracts:
        for item in slot.model.priced_items():
            if item.meter in decimals and not isinstance(item.price, Flat):
                who = slot.fault(f"item {item.id!r}")
                yield from _scale(who, item.meter, decimals[item.meter], item.price.decimals)


def kept_places(meter: Meter) -> int:
    """Decimals that a quantity of the meter may have: those of its rounding, or all it keeps."""
    return meter.decimals if meter.round is None else max(meter.round.places, 0)


def _scale(who: str, meter: str, quantity: int, price: int) -> Iterator[str]:
    if quantity + price > SCALE:
        yield (
            f"{who}: the price has {price} decimals and meter {meter!r} has {quantity}, together "
            f"more than {SCALE}; amounts would not be exact. Give one of them fewer decimals."
        )


def typed(one: Property) -> str:
    """The type of a property in words."""
    digits = f" of {one.digits} digits" if one.digits not in (None, 18) else ""
    decimals = "" if one.decimals is None else f" with {one.decimals} decimals"
    return one.type + digits + decimals
