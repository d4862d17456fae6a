"""What at most one document may claim on a day: a subject of events, a meter of a customer."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import NamedTuple

from meterhouse.catalog.known import Book, Slot
from meterhouse.catalog.parents import reads
from meterhouse.contracts.documents import Contract
from meterhouse.contracts.items import Item

SHARED = ("", "")


class Claim(NamedTuple):
    """`owner` holds `thing` on the days from `start` (inclusive) until `end` (exclusive)."""

    thing: tuple[str, ...]
    start: date
    end: date
    owner: tuple[str, ...]
    said: str  # Place, document and the key that claims: the beginning of a sentence.
    place: str


def subjects(book: Book) -> list[str]:
    """Faults for ids, external ids and aliases that name two customers on one day."""
    return [
        f"{later.said} {later.thing[0]!r} also names customer {earlier.owner[0]!r} "
        f"({earlier.place}){_since(later.start)}; its events would have two owners. Change one of "
        "the two, or give aliases dates that do not overlap."
        for earlier, later in collisions([*_subjects(book)])
    ]


def meters(book: Book) -> list[str]:
    """Faults for two items that read one meter of one customer on one day."""
    return [
        f"{later.said} reads meter {later.thing[1]!r} for customer {later.thing[0]!r}, which "
        f"{earlier.place} also reads"
        f"{_since(later.start)}; the usage would be billed twice. If that is what is meant, say "
        "`shared: true` on both items; else let one end before the other starts."
        for earlier, later in collisions([*_readings(book)])
    ]


def collisions(claims: Sequence[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Pairs of claims of two owners on one thing and day; at least one for each contested thing.

    Looking only at the claim that lasts longest is enough: whoever overlaps an older one overlaps
    that one too, or it belongs to the same owner, who then collided with the older one before.
    """
    alive = sorted((one for one in claims if one.start < one.end), key=lambda one: one[:4])
    for _, same in groupby(alive, key=lambda one: one.thing):
        longest: Claim | None = None
        for claim in same:
            if longest and claim.start < longest.end and claim.owner != longest.owner:
                yield longest, claim
            if longest is None or claim.end > longest.end:
                longest = claim


def _since(start: date) -> str:
    return "" if start == date.min else f" from {start}"


def _subjects(book: Book) -> Iterator[Claim]:
    for slot in book.customers:
        owner, customer, place = (slot.id,), slot.model, slot.document.place
        # An id is never free again, whatever slot it is written in.
        yield Claim((slot.id,), date.min, date.max, owner, slot.fault("its id"), place)
        if customer.external_id is not None:
            thing, said = (customer.external_id,), slot.fault("`external_id`")
            yield Claim(thing, slot.since, slot.until, owner, said, place)
        for alias in customer.aliases:
            start = max(slot.since, alias.from_ or date.min)
            end = min(slot.until, alias.until or date.max)
            yield Claim((alias.value,), start, end, owner, slot.fault("alias"), place)


def _readings(book: Book) -> Iterator[Claim]:
    days = _cancel_days(book)
    for slot, item, one in reads(book):
        start, end = _life(slot, item, days.get(slot.model.customer))
        thing = (one.customer, item.meter or "")
        # Items that share may meet each other; one that does not may meet nobody.
        owner = SHARED if item.shared else (slot.id, item.id)
        said = slot.fault(f"item {item.id!r}")
        name = f"item {item.id!r} of contract {slot.id!r} ({slot.document.place})"
        yield Claim(thing, max(start, one.start), min(end, one.end), owner, said, name)


def _cancel_days(book: Book) -> dict[str, str | None]:
    """By customer, what its newest profile says of the day of a cancellation."""
    profiles = {slot.id: slot.model.profile for slot in book.customers}
    return {id: one.cancel_day for id, one in profiles.items() if one is not None}


def _life(slot: Slot[Contract], item: Item, cancel_day: str | None) -> tuple[date, date]:
    """The days on which an item reads its meter: those of its slot, its contract and its own.

    `cancel_day` is what the profile of the customer says of the day of a cancellation.
    """
    contract = slot.model
    first = max(slot.since, contract.start, item.starts_on or date.min)
    ends = (contract.effective_end, item.until, _cancelled(contract, cancel_day))
    return first, min(slot.until, *(one or date.max for one in ends))


def _cancelled(contract: Contract, cancel_day: str | None) -> date | None:
    """The first day after a cancellation at once; None where there is none."""
    said = contract.cancellation
    if said is None or said.effective != "at_once":
        return None
    own = contract.profile.cancel_day if contract.profile is not None else None
    return said.on + timedelta(days=(own or cancel_day) == "charged")
