"""Whether what is agreed for a period of a contract fits the periods of its items."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from meterhouse.contracts.lifecycle import Cadence
from meterhouse.contracts.modifiers import ContractModifiers

_MONTHS = {"daily": 0, "weekly": 0, "monthly": 1, "quarterly": 3, "yearly": 12}
_UNIT_MONTHS = {"day": 0, "week": 0, "month": 1, "year": 12}
_SPAN_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_OF_WINDOWS = "name `items` of one cadence, or give it a longer `period` (quarter, year or term)"


class Billed(NamedTuple):
    """What matters of an item: how long its periods are, and when they are billed."""

    id: str
    cadence: str | Cadence
    timing: str


class _Agreed(NamedTuple):
    """What is agreed for a period: what it is called, the period, and the items it counts."""

    name: str
    of: str
    period: str | None
    items: Collection[str]
    instead: str = "give it a `period` (month, quarter or year)"


def period_faults(modifiers: ContractModifiers, items: Sequence[Billed]) -> Iterator[str]:
    """A sentence for each of which nobody could say for how long it is, or that is over before what
    it counts is known."""
    for one in _agreed(modifiers):
        mine = [item for item in items if not one.items or item.id in one.items]
        if one.period is None:
            if len({str(item.cadence) for item in mine}) > 1:
                yield (
                    f"{one.of} of a contract is for one period, and its items have several "
                    f"cadences: {one.instead}"
                )
            continue
        long = [
            item.id
            for item in mine
            if item.timing == "arrears" and _months(item.cadence) > _SPAN_MONTHS[one.period]
        ]
        if long:
            yield (
                f"its {one.name} is for a {one.period}, and what is billed in arrears for longer "
                f"periods is not known when that is over: {', '.join(long)}; give it a longer "
                "`period`"
            )


def _agreed(modifiers: ContractModifiers) -> Iterator[_Agreed]:
    minimum, fee = modifiers.minimum, modifiers.service_fee
    if minimum is not None:
        yield _Agreed("`minimum`", "a `minimum`", minimum.period, ())
    for one in modifiers.commitments:
        name = f"commitment {one.id!r}"
        if one.period == "window":
            yield _Agreed(name, name, None, one.items, _OF_WINDOWS)
        elif one.period in _SPAN_MONTHS:
            yield _Agreed(name, "", one.period, one.items)
    if fee is not None and fee.is_of_a_period:
        limits = (name for name in ("amount", "cap", "minimum") if getattr(fee, name) is not None)
        said = " and ".join(f"`{name}`" for name in limits)
        yield _Agreed("`service_fee`", f"the {said} of a service fee", fee.period, ())


def _months(cadence: str | Cadence) -> int:
    """Months of a billing period; 0 for days and weeks."""
    if isinstance(cadence, str):
        return _MONTHS[cadence]
    return cadence.every * _UNIT_MONTHS[cadence.unit]
