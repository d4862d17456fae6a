"""Who belongs to whom, and whether pools of usage can be measured."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from meterhouse.catalog import offers
from meterhouse.catalog.known import Book, Slot
from meterhouse.catalog.meters import Meter
from meterhouse.contracts.documents import Contract
from meterhouse.contracts.items import Item
from meterhouse.contracts.pooling import members

# What a customer has reached is no event: it would stay in the pool, or be missing from it.
_LEVELS = ("weighted_sum", "prorated_sum", "prorated_unique_count")


class Belongs(NamedTuple):
    """`customer` is one of a group on the days from `start` (inclusive) until `end` (exclusive)."""

    customer: str
    start: date
    end: date


Children = Mapping[str, Sequence[Belongs]]


def children_of(book: Book) -> Children:
    """By parent the customers directly below it, one entry for each version that says so."""
    found: dict[str, list[Belongs]] = {}
    for slot in book.customers:
        if slot.model.parent is not None:
            one = Belongs(slot.id, slot.since, slot.until)
            found.setdefault(slot.model.parent, []).append(one)
    return found


def read_by(customer: str, item: Item, children: Children) -> Iterator[Belongs]:
    """Whose usage an item counts, and when."""
    if item.usage_of is None:
        yield Belongs(customer, date.min, date.max)
    elif item.usage_of == "children":
        yield from _below(Belongs(customer, date.min, date.max), children, frozenset())
    else:
        yield from (Belongs(one.customer, *one.span) for one in members(item.usage_of))


def _below(one: Belongs, children: Children, above: frozenset[str]) -> Iterator[Belongs]:
    if one.customer in above or one.start >= one.end:
        return
    yield one
    for child in children.get(one.customer, ()):
        inside = Belongs(child.customer, max(one.start, child.start), min(one.end, child.end))
        yield from _below(inside, children, above | {one.customer})


def parents(book: Book) -> Iterator[str]:
    """Faults for parents that are missing, and for customers that belong to themselves."""
    children = children_of(book)
    told: set[str] = set()
    for slot in book.customers:
        parent = slot.model.parent
        if parent is None:
            continue
        if parent not in book.ids["customer"]:
            yield slot.fault(offers.missing(book, "parent", "customer", parent))
        ring = _ring(Belongs(slot.id, slot.since, slot.until), parent, children)
        if ring and not told & set(ring):
            told.update(ring)
            yield slot.fault(
                f"it belongs to itself: {' is above '.join([slot.id, *ring])}. Take `parent` away "
                "from one of them, or give the documents other dates."
            )


def _ring(own: Belongs, parent: str, children: Children) -> list[str]:
    """The customers from below `own` down to its parent, where that is below it; else none."""
    alive: list[tuple[Belongs, list[str]]] = [(own, [])]
    seen = set()
    while alive:
        one, path = alive.pop()
        if one.customer == parent:
            return [*path, own.customer]
        for child in children.get(one.customer, ()):
            inside = Belongs(child.customer, max(one.start, child.start), min(one.end, child.end))
            if inside.start < inside.end and inside not in seen:
                seen.add(inside)
                alive.append((inside, [*path, child.customer]))
    return []


def pools(book: Book) -> Iterator[str]:
    """Faults for items that count the usage of customers whom nobody knows, or by a meter that
    cannot tell it."""
    children = children_of(book)
    meters: dict[str, list[Slot[Meter]]] = {}
    for meter in book.meters:
        meters.setdefault(meter.id, []).append(meter)
    for slot in book.contracts:
        for index, item in enumerate(slot.model.items):
            if item.usage_of is not None:
                key, at = f"items[{index}].usage_of", f"item {item.id!r}"
                for one in members(item.usage_of):
                    if one.customer not in book.ids["customer"]:
                        yield slot.fault(offers.missing(book, key, "customer", one.customer))
                for fault in _unfit(slot, item, meters.get(item.meter or "", ()), children):
                    yield slot.fault(f"{at}: {fault}")


def _unfit(
    slot: Slot[Contract], item: Item, meters: Sequence[Slot[Meter]], children: Children
) -> Iterator[str]:
    """What is wrong with a pool, for the definitions of its meter."""
    said = [one.model for one in meters]
    if any(one.aggregation == "sql" for one in said):
        yield (
            f"`usage_of` cannot pool meter {item.meter!r}, whose model reads customers by itself. "
            "Leave `usage_of` out and join the customers in the model."
        )
    if not any(one.recurring or one.aggregation in _LEVELS for one in said):
        return
    start, end = slot.model.start, slot.model.effective_end or date.max
    for one in read_by(slot.model.customer, item, children):
        moved = [day for day in (one.start, one.end) if start < day < end]
        if moved:
            yield (
                f"customer {one.customer!r} is in the pool only from or until {moved[0]}, and "
                f"meter {item.meter!r} measures levels: what the customer had reached by then is "
                "no event that could be left out. End the item on that day and begin another one "
                "whose `usage_of` lists the customers without dates."
            )


def reads(book: Book) -> Iterator[tuple[Slot[Contract], Item, Belongs]]:
    """Whose usage each item of each contract counts."""
    children = children_of(book)
    for slot in book.contracts:
        for item in slot.model.items:
            if item.meter is not None:
                for one in read_by(slot.model.customer, item, children):
                    yield slot, item, one
