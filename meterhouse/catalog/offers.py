"""What is sold hangs together: products, their prices over time, and plans."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise

from meterhouse.catalog.fields import nearest
from meterhouse.catalog.known import Book, Slot, grouped
from meterhouse.catalog.plans import Plan
from meterhouse.catalog.products import Product, ProductPrice


def offers(book: Book) -> Iterator[str]:
    """Faults for names that are not there, bundles that hold themselves, and prices with gaps."""
    yield from _products(book)
    yield from _prices(book)
    yield from _plans(book)


def missing(book: Book, key: str, kind: str, id: str) -> str:
    """The sentence for an id that nothing has."""
    known = list(book.ids[kind])
    # A book may hold 100,000 customers: the sentence lists names only when they are few.
    hint = nearest(id, known) if 0 < len(known) <= 50 else "add it to the book."
    return f"`{key}` names {kind} {id!r}, which is neither in the folder nor recorded; {hint}"


def _products(book: Book) -> Iterator[str]:
    parts = {slot.id: _parts(slot.model) for slot in book.products}
    for slot in book.products:
        model = slot.model
        if model.parent is not None and model.parent not in book.ids["product"]:
            yield slot.fault(missing(book, "parent", "product", model.parent))
        if model.meter is not None and model.meter not in book.ids["meter"]:
            yield slot.fault(missing(book, "meter", "meter", model.meter))
        for index, one in enumerate(model.components):
            if one.product not in book.ids["product"]:
                key = f"components[{index}].product"
                yield slot.fault(missing(book, key, "product", one.product))
            if one.price is not None and one.price not in book.ids["price"]:
                yield slot.fault(missing(book, f"components[{index}].price", "price", one.price))
        if _reaches(slot.id, parts):
            yield slot.fault(
                "it belongs to itself, through `parent` or `components`. Cut the ring."
            )


def _parts(product: Product) -> list[str]:
    return [*(one.product for one in product.components), *filter(None, [product.parent])]


def _reaches(id: str, parts: Mapping[str, list[str]]) -> bool:
    """Whether a product is among its own parts, however deep."""
    waiting, seen = list(parts[id]), set[str]()
    while waiting:
        one = waiting.pop()
        if one == id:
            return True
        if one not in seen:
            seen.add(one)
            waiting += parts.get(one, [])
    return False


def _prices(book: Book) -> Iterator[str]:
    for slots in grouped(book.prices).values():
        for slot in slots:
            if slot.model.product not in book.ids["product"]:
                yield slot.fault(missing(book, "product", "product", slot.model.product))
            yield from _ends_early(slot)
        yield from _gaps(slots)


def _ends_early(slot: Slot[ProductPrice]) -> Iterator[str]:
    until = slot.model.until
    if until is not None and until <= slot.since:
        yield slot.fault(f"`until` ({until}) must be later than its `valid_from` ({slot.since}).")


def _gaps(slots: list[Slot[ProductPrice]]) -> Iterator[str]:
    """Faults for days between two versions of a price that have none, or two."""
    for one, following in pairwise(slots):
        until = one.model.until
        if until is None or until == following.since:
            continue
        what = "have no price" if until < following.since else "have two prices"
        first, last = sorted((until, following.since))
        yield one.fault(
            f"`until` is {until}, but its next version holds from {following.since} "
            f"({following.document.place}); the days from {first} to before {last} {what}. "
            f"Say `until: {following.since}`, or leave it out."
        )


def _plans(book: Book) -> Iterator[str]:
    for slots in grouped(book.plans).values():
        named: dict[str, Slot[Plan]] = {}
        for slot in slots:
            for index, id in enumerate(slot.model.products):
                if id not in book.ids["product"]:
                    yield slot.fault(missing(book, f"products[{index}]", "product", id))
            first = named.setdefault(version_of(slot), slot)
            if first is not slot:
                yield slot.fault(
                    f"`version` is {version_of(slot)!r}, as in {first.document.place}; contracts "
                    "could not tell the two apart. Give it another name."
                )


def version_of(slot: Slot[Plan]) -> str:
    """The name of a version of a plan."""
    day = slot.since.isoformat() if slot.since > date.min else "first"
    return slot.model.version or day
