"""Prices that phases of a contract name by the id of a list price."""

from collections.abc import Iterator, Mapping
from typing import Any

from meterhouse.catalog.faults import Location


def references(value: Mapping[str, Any]) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Where phases of a contract as it is written name a list price, and what they say of the item.

    The contract may be faulty: what is not as it should be names nothing.
    """
    for path, terms in _priced(value):
        if "ref" in terms["price"]:
            yield path, terms


def in_place(value: Mapping[str, Any]) -> list[Any]:
    """The prices that its phases say themselves, as of recorded content."""
    return [terms["price"] for _, terms in _priced(value) if "ref" not in terms["price"]]


def _priced(value: Mapping[str, Any]) -> Iterator[tuple[Location, dict[str, Any]]]:
    phases = value.get("phases")
    for index, phase in enumerate(phases if isinstance(phases, list) else []):
        items = phase.get("items") if isinstance(phase, dict) else None
        for id, terms in (items if isinstance(items, dict) else {}).items():
            if isinstance(terms, dict) and isinstance(terms.get("price"), dict):
                yield ("phases", index, "items", id, "price"), terms
