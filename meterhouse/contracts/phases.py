"""What a contract says of phases: planned days on which quantities and prices differ."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from meterhouse.catalog.fields import Day, Id, NonNegative, Sparing
from meterhouse.contracts.fee_prices import FEE_PLACES, fee_decimals, not_for_fees
from meterhouse.contracts.lifecycle import Cadence
from meterhouse.contracts.prices import Price
from meterhouse.periods import boundary

MONTHS = {"month": 1, "year": 12}
DAYS = {"day": 1, "week": 7}


class PhaseItem(Sparing):
    """What is other for one item in a phase; the item itself says the rest."""

    SELDOM: ClassVar[frozenset[str]] = frozenset({"quantity", "price", "charged"})

    quantity: NonNegative | None = Field(
        None, description="How many are charged in the phase, for flat prices."
    )
    price: Price | None = Field(None, description="What the item costs in the phase.")
    charged: bool | None = Field(
        None, description="`false`: the item is off in the phase, its fee and its usage."
    )


class Phase(Sparing):
    """A planned part of a contract's life, up to the phase after it."""

    SELDOM: ClassVar[frozenset[str]] = frozenset(
        {"from", "after", "free", "covers_usage", "reanchor"}
    )

    id: Id = Field(description="Id of the phase, unique in its contract.")
    starts_on: Day | None = Field(
        None,
        alias="from",
        description="Its first day; absent: `after` says it, or it is the contract's first day.",
    )
    after: Cadence | None = Field(
        None,
        description="Length of the phase before, from which `from` is filled in when recorded; "
        "of the first phase: of the time before it.",
    )
    items: dict[Id, PhaseItem] = Field(
        {}, description="Id of an item to what is other for it in this phase."
    )
    free: bool | None = Field(None, description="Whether no fee is charged in the phase.")
    covers_usage: bool | None = Field(
        None, description="Whether a free phase costs nothing for usage either."
    )
    reanchor: bool | None = Field(
        None, description="Whether periods are counted anew from its first day."
    )


def resolved(phases: Sequence[Phase], start: date) -> tuple[Phase, ...]:
    """The phases with their first days.

    Months are added to the last day that was written, never to one that a short month moved.
    """
    origin, months, on = start, 0, start
    found: list[Phase] = []
    for phase in phases:
        length = phase.after
        if length is not None and length.unit in MONTHS:
            months += length.every * MONTHS[length.unit]
            on = boundary(origin, origin.day, months)
        elif length is not None:
            on += timedelta(days=length.every * DAYS[length.unit])
            origin, months = on, 0
        elif phase.starts_on is not None:
            origin, months, on = phase.starts_on, 0, phase.starts_on
        elif found:
            raise ValueError(f"phase {phase.id!r} needs `from` or `after`; only the first may not")
        if phase.starts_on not in (None, on):
            raise ValueError(
                f"phase {phase.id!r} begins on {phase.starts_on} by its `from` and on {on} by its "
                "`after`; remove one of them"
            )
        found.append(phase.model_copy(update={"starts_on": on}))
    return tuple(found)


Phases = Annotated[tuple[Phase, ...], Field(min_length=1, max_length=240, strict=False)]


class Dated(NamedTuple):
    """What phases must fit of one item: whether it is a fee, the days of its own series, and the
    quantities and prices that they and the item itself say."""

    is_fee: bool
    quantities: frozenset[date]
    prices: frozenset[date]
    counts: tuple[Decimal, ...]
    charged: tuple[Price, ...]


def phase_faults(
    phases: Sequence[Phase], start: date, end: date | None, items: Mapping[str, Dated]
) -> Iterator[str]:
    """What does not fit a contract with this life and these items, by their ids."""
    repeated = sorted(id for id, n in Counter(one.id for one in phases).items() if n > 1)
    if repeated:
        yield f"ids of phases are used more than once: {', '.join(repeated)}"
    before: Phase | None = None
    for phase in phases:
        on = phase.starts_on or start
        if before is not None and on <= (before.starts_on or start):
            yield (
                f"`phases` are not in order: {phase.id!r} begins on {on}, phase {before.id!r} "
                f"before it on {before.starts_on}"
            )
        if on < start:
            yield f"phase {phase.id!r} begins on {on}, before the contract starts ({start})"
        if end is not None and on >= end:
            yield f"phase {phase.id!r} begins on {on}, when the contract has ended ({end})"
        yield from _of_items(phase, on, items)
        before = phase
    yield from _too_fine(phases, items)


def _of_items(phase: Phase, on: date, items: Mapping[str, Dated]) -> Iterator[str]:
    who = f"phase {phase.id!r}"
    if phase.covers_usage and not phase.free:
        yield f"{who} has `covers_usage`, which is for free phases: add `free: true`"
    if phase.free and phase.items and phase.covers_usage:
        yield f"{who} costs nothing at all: remove its `items`"
    unknown = sorted(set(phase.items) - set(items))
    if unknown:
        yield f"{who} names items that the contract does not have: {', '.join(unknown)}"
    for id, one in phase.items.items():
        if one.charged is False and (one.quantity is not None or one.price is not None):
            yield f"{who}: item {id!r} is off and has terms; remove `charged: false` or the terms"
        if id in items:
            yield from _of_item(who, id, one, items[id], on)


def _of_item(who: str, id: str, one: PhaseItem, item: Dated, on: date) -> Iterator[str]:
    if not item.is_fee and one.quantity is not None:
        yield f"{who}: item {id!r} reads a meter and has no `quantity` of its own"
    reason = not_for_fees(one.price) if item.is_fee and one.price is not None else None
    if reason is not None:
        yield (
            f"{who} turns item {id!r} from a fee into usage: its {reason}. Add another item that "
            "is off in the other phases"
        )
    if not item.is_fee and one.price is not None and one.price.model == "flat":
        yield (
            f"{who} turns item {id!r} from usage into a fee; add another item that is off in the "
            "other phases"
        )
    for what, days in (("quantity", item.quantities), ("price", item.prices)):
        if on in days:
            yield (
                f"{who} and a dated {what} of item {id!r} both begin on {on}; say what holds in "
                "the phase alone"
            )


def _too_fine(phases: Sequence[Phase], items: Mapping[str, Dated]) -> Iterator[str]:
    """Fees whose quantities and prices, in whatever phases, have too many decimals together."""
    for id, item in items.items():
        told = [one for phase in phases if (one := phase.items.get(id)) is not None]
        counts = [one.quantity for one in told if one.quantity is not None]
        own = [one.price for one in told if one.price is not None]
        for price in (*item.charged, *own) if item.is_fee and (counts or own) else ():
            decimals = 0 if not_for_fees(price) else fee_decimals((*item.counts, *counts), price)
            if decimals > FEE_PLACES:
                yield (
                    f"item {id!r}: its quantities and a {price.model} price have {decimals} "
                    f"decimals together; parts of a fee are exact with at most {FEE_PLACES}"
                )
                break
