"""What one contract takes from the catalog: the version it was made of before, or today's."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from meterhouse.catalog.shelf import Kept, Shelf, Unknown

Pinned = list[dict[str, Any]]


class Picker:
    """Takes versions from the shelf and remembers them as pins; `on` is the day that asks."""

    def __init__(self, shelf: Shelf, on: date | None, before: Iterable[Mapping[str, Any]]) -> None:
        self.shelf = shelf
        self.on = on
        self._before = list(before)
        self._taken: dict[tuple[str, str, date | None], Kept] = {}

    def product(self, id: str) -> Kept:
        """The version of a product."""
        return self._kept(self._pin("product", id) or self._current("product", id))

    def plan(self, id: str, version: str | None) -> Kept:
        """A version of a plan by name; without one that of before, or the one in force."""
        if version is None:
            return self._kept(self._pin("plan", id) or self._current("plan", id))
        return self._dated(self.shelf.named(id, version))

    def price(self, id: str, on: date | None) -> Kept:
        """A list price: that of a day, or that of before, or the one in force."""
        if on is not None:
            return self._dated(self.shelf.in_force("price", id, on))
        return self._kept(self._pin("price", id) or self._current("price", id))

    def price_of(self, product: str, currency: str) -> Kept:
        """The only list price of a product in a currency."""
        found = self.shelf.list_prices(product, currency)
        if not found:
            raise Unknown(
                f"has no price, and product {product!r} has no list price in {currency}. Give the "
                "item a `price`, or add a document of kind price for the product."
            )
        if len(found) > 1:
            named = ", ".join(f"`{one}`" for one in sorted(found)[:12])
            raise Unknown(
                f"has no price, and product {product!r} has several list prices in {currency}: "
                f"{named}. Say which: `price: {{ref: ...}}`."
            )
        return self.price(found[0], None)

    @property
    def pinned(self) -> Pinned:
        """The pins of all that was taken, in the order of kind, id and date."""
        taken = sorted(self._taken.values(), key=lambda one: (one.kind, one.id, one.since))
        return [
            {
                "kind": one.kind,
                "id": one.id,
                "valid_from": one.valid_from.isoformat() if one.valid_from else None,
                "sha256": one.sha256,
            }
            for one in taken
        ]

    def _current(self, kind: str, id: str) -> Kept:
        if self.on is None:
            return self.shelf.versions(kind, id)[-1]
        return self.shelf.in_force(kind, id, self.on)

    def _dated(self, kept: Kept) -> Kept:
        """The version as it was before, if it was corrected since in its own slot."""
        return self._kept(self._pin(kept.kind, kept.id, _Slot(kept.valid_from)) or kept)

    def _pin(self, kind: str, id: str, slot: "_Slot | None" = None) -> Kept | None:
        for pin in reversed(self._before):
            since = date.fromisoformat(pin["valid_from"]) if pin["valid_from"] else None
            if (pin["kind"], pin["id"]) == (kind, id) and slot in (None, _Slot(since)):
                return self.shelf.recorded(kind, id, pin["sha256"], since)
        return None

    def _kept(self, kept: Kept) -> Kept:
        self._taken[kept.kind, kept.id, kept.valid_from] = kept
        return kept


class _Slot(NamedTuple):
    valid_from: date | None
