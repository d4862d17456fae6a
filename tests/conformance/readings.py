"""What the engine is given for a published case."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from tests.conformance.vectors import NotSupported


class Reading(NamedTuple):
    """A case in the words of the book: its price document, its quantity and its parts in order.

    A part has `keys` (a dict), `quantity`, `weight_numerator` and `weight_denominator`; what it
    leaves out is {}, 0, 1 and 1.
    """

    price: Mapping[str, Any]
    quantity: str | None
    parts: Sequence[Mapping[str, Any]] = ()


def refuse_unknown(noun: str, given: Mapping[str, Any], known: set[str]) -> None:
    """A term that the adapter does not understand must not be left out of the figure silently."""
    unknown = sorted(name for name in set(given) - known if given[name] is not None)
    if unknown:
        raise NotSupported(f"{noun} {', '.join(unknown)}")


def plainly(text: str, most: int = 12) -> str:
    """The number in plain spelling, if the engine's scale budget holds it."""
    number = Decimal(text)
    if -int(number.normalize().as_tuple().exponent) > most:
        raise NotSupported(f"more than {most} decimals")
    return format(number, "f")
