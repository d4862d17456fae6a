"""The customers of the demo company: who they are, what they agreed to, and their peculiarities.

A customer's index is its rank by size: number 0 uses most. What is peculiar about a customer
hangs on its index alone, so that every seed shows every case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from meterhouse.demo.calendar import BERLIN, FIRST, KATHMANDU, LAST, NEW_YORK, TOKYO
from meterhouse.errors import UsageError

LEAST = 30  # With fewer customers the peculiar ones would fall on one another.
LARGEST = 0
ALIAS_UNTIL = date(2026, 9, 1)
RAISED_FROM = date(2026, 10, 1)

FIRST_WORDS = (
    *("Amber", "Birch", "Cedar", "Copper", "Coral", "Delta", "Ember", "Falcon", "Granite"),
    *("Harvest", "Indigo", "Juniper", "Kestrel", "Larch", "Maple", "Nimbus", "Onyx", "Pebble"),
    *("Quartz", "Rowan"),
)
SECOND_WORDS = (
    *("Analytics", "Bakery", "Clinics", "Devices", "Energy", "Foods", "Freight", "Games"),
    *("Insurance", "Labs", "Legal", "Logistics", "Media", "Optics", "Press", "Robotics"),
    *("Schools", "Studios", "Textiles", "Travel"),
)

# Zone of a customer and the currency it pays in; the seller of that currency bills it.
HOMES = (
    (NEW_YORK, "USD"),
    (BERLIN, "USD"),
    (TOKYO, "JPY"),
    (NEW_YORK, "USD"),
    (KATHMANDU, "KWD"),
    (TOKYO, "JPY"),
    (BERLIN, "KWD"),
    (KATHMANDU, "USD"),
)
ADDRESSES = {
    NEW_YORK: ("New York", "US"),
    BERLIN: ("Berlin", "DE"),
    TOKYO: ("Tokyo", "JP"),
    KATHMANDU: ("Kathmandu", "NP"),
}
TAXED = {
    NEW_YORK: {"treatment": "taxed", "rate": "0.08875", "name": "Sales tax"},
    BERLIN: {"treatment": "taxed", "rate": "0.19", "name": "VAT"},
    TOKYO: {"treatment": "taxed", "rate": "0.1", "name": "Consumption tax"},
    KATHMANDU: {"treatment": "taxed", "rate": "0.13", "name": "VAT"},
}
EXEMPT = {"treatment": "exempt", "reason": "Exemption certificate on file"}
REVERSE = {"treatment": "reverse_charge", "reason": "The recipient owes the VAT"}


@dataclass(frozen=True)
class Customer:
    """One customer with its contract; usage comes on the local days usage_from .. usage_until."""

    index: int
    id: str
    name: str
    zone: str
    currency: str
    plan: str
    seats: int
    tax: Mapping[str, str] | None
    start: date
    usage_from: date
    end: date | None = None
    usage_until: date = LAST
    anchor_day: int | None = 1
    has_contract: bool = True
    is_in_conflict: bool = False
    has_price_rise: bool = False
    external_id: str | None = None
    alias: str | None = None
    payer: str | None = None
    storage_zone: str | None = None  # Storage under a second contract, in this zone.

    @property
    def subject(self) -> str:
        """The name under which its usage comes."""
        return self.external_id or self.id

    @property
    def stores(self) -> bool:
        """Whether its plan charges for storage."""
        return self.plan != "starter"

    @property
    def is_partly_uncovered(self) -> bool:
        """Whether some of its usage lies outside of every contract."""
        ends = self.end or LAST
        return not self.has_contract or self.usage_from < self.start or self.usage_until > ends


def make_customers(count: int, rng: np.random.Generator) -> list[Customer]:
    """All customers, the largest first; names and seats follow the generator."""
    if count < LEAST:
        raise UsageError(
            f"The demo company needs at least {LEAST} customers to show every case, not {count}. "
            "Nothing was written."
        )
    seats = rng.integers(3, 60, count).tolist()
    names = _names(count, rng)
    plain = [_plain(index, names[index], seats[index], count) for index in range(count)]
    for index, changes in _peculiar(plain).items():
        plain[index] = replace(plain[index], **changes)
    return plain


def _names(count: int, rng: np.random.Generator) -> list[str]:
    pairs = [f"{first} {second}" for first in FIRST_WORDS for second in SECOND_WORDS]
    order = rng.permutation(len(pairs)).tolist()
    rounds, picks = zip(*(divmod(index, len(pairs)) for index in range(count)), strict=True)
    return [
        pairs[order[pick]] + (f" {turn + 1}" if turn else "")
        for turn, pick in zip(rounds, picks, strict=True)
    ]


def _plain(index: int, name: str, seats: int, count: int) -> Customer:
    zone, currency = HOMES[index % len(HOMES)]
    start, anchor_day = _start(index)
    end = _end(index)
    return Customer(
        index=index,
        id=name.lower().replace(" ", "-"),
        name=name,
        zone=zone,
        currency=currency,
        plan=_plan(index, count),
        seats=seats,
        tax=_tax(index, zone),
        start=start,
        usage_from=start,
        end=end,
        usage_until=end or LAST,
        anchor_day=anchor_day,
        external_id=f"CRM-{index + 1:05d}" if index % 5 == 1 else None,
    )


def _plan(index: int, count: int) -> str:
    if index * 100 < count * 15:
        return "scale"
    return "growth" if index * 2 < count else "starter"


def _start(index: int) -> tuple[date, int | None]:
    """First day and anchor: mid-month starts are cut to the first, but some keep their day."""
    if index % 11 == 5:
        return date(2026, 8, 12), 1
    if index % 23 == 13:
        return date(2026, 9, 10), 1
    if index % 23 == 7:
        return date(2026, 8, 15), None
    if index % 11 == 8:
        return date(2026, 9, 1), 1
    return FIRST, 1


def _end(index: int) -> date | None:
    ends = {9: date(2026, 9, 20), 14: date(2026, 10, 16)}
    return ends.get(index % 17)


def _tax(index: int, zone: str) -> Mapping[str, str]:
    if index % 10 == 4:
        return EXEMPT
    if zone == BERLIN and index % 16 != 1:
        return REVERSE
    return TAXED[zone]


def _peculiar(plain: list[Customer]) -> dict[int, dict[str, Any]]:
    """What differs for single customers, by index; none of the indices meets another."""
    count = len(plain)
    whole = {"start": FIRST, "end": None, "anchor_day": 1, "usage_from": FIRST, "usage_until": LAST}
    undecided = whole | {"tax": None}
    early = whole | {"start": date(2026, 8, 12)}
    contested = whole | {"is_in_conflict": True}
    return {
        LARGEST: whole | {"tax": TAXED[NEW_YORK]},
        1: whole | {"payer": plain[LARGEST].id},
        2: whole | {"has_price_rise": True},
        3: whole | {"plan": "growth", "storage_zone": TOKYO},
        6: whole | {"alias": f"{plain[6].id}-legacy", "external_id": None},
        count // 4: undecided,
        count // 2: undecided,
        count - 5: undecided,
        count // 3: early,
        count // 3 + 2: early,
        count // 3 + 1: whole | {"end": date(2026, 9, 20)},
        count - 3: whole | {"has_contract": False},
        count - 2: contested,
        count - 1: contested,
    }
