"""What one contract takes from the catalog: the version it was made of before, or today's."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from meterhouse.catalog.shelf import Kept, Shelf, Unknown

Pinned = list[dict[str, Any]]


class Picker:
    """Takes versions from the shelf and remembers them as pins; `on` is the day that asks."""

    def __init__(self, shelf: Shelf, on: date | None, before: Iterable[Mapping[str, Any]]) -> None:
        self.shelf = shelf
        self.on = on
        self._before = list(before)
        self._taken: dict[tuple[str, str, date | None], Kept] = {}  # Kind, id, day named.

    def product(self, id: str) -> Kept:
        """The version of a product."""
        return self._undated("product", id)

    def plan(self, id: str, version: str | None) -> Kept:
        """A version of a plan by name; without one that of before, or the one in force."""
        if version is None:
            return self._undated("plan", id)
        named = self.shelf.named(id, version)
        pinned = self._pin("plan", id, None)
        # A version that was corrected since in its own slot is another only when the plan changes.
        is_same = pinned is not None and pinned.valid_from == named.valid_from
        return self._keep(pinned if pinned is not None and is_same else named, None)

    def price(self, id: str, on: date | None) -> Kept:
        """A list price: that of a day, or that of before, or the one in force."""
        if on is None:
            return self._undated("price", id)
        return self._keep(self._pin("price", id, on) or self.shelf.in_force("price", id, on), on)

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

    def carry(self, pin: Mapping[str, Any]) -> None:
        """Keep a pin of before as it is, unless something newer was taken."""
        kept = self._recorded(pin)
        if kept is not None:
            self._taken.setdefault((pin["kind"], pin["id"], _day(pin.get("on"))), kept)

    def content_of(self, pin: Mapping[str, Any]) -> dict[str, Any]:
        """What the version of a pin says; nothing where it is not recorded."""
        kept = self._recorded(pin)
        return {} if kept is None else kept.content

    def _recorded(self, pin: Mapping[str, Any]) -> Kept | None:
        return self.shelf.recorded(pin["kind"], pin["id"], pin["sha256"], _day(pin["valid_from"]))

    @property
    def pinned(self) -> Pinned:
        """The pins of all that was taken, in the order of kind, id and date."""
        taken = sorted(self._taken.items(), key=lambda pair: (*pair[0][:2], pair[0][2] or date.min))
        return [
            {
                "kind": one.kind,
                "id": one.id,
                "valid_from": one.valid_from.isoformat() if one.valid_from else None,
                "on": on.isoformat() if on else None,
                "sha256": one.sha256,
            }
            for (_, _, on), one in taken
        ]

    def _undated(self, kind: str, id: str) -> Kept:
        return self._keep(self._pin(kind, id, None) or self._current(kind, id), None)

    def _current(self, kind: str, id: str) -> Kept:
        if self.on is None:
            return self.shelf.versions(kind, id)[-1]
        return self.shelf.in_force(kind, id, self.on)

    def _pin(self, kind: str, id: str, on: date | None) -> Kept | None:
        for pin in self._before:
            if (pin["kind"], pin["id"], _day(pin.get("on"))) == (kind, id, on):
                return self.shelf.recorded(kind, id, pin["sha256"], _day(pin["valid_from"]))
        return None

    def _keep(self, kept: Kept, on: date | None) -> Kept:
        self._taken[kept.kind, kept.id, on] = kept
        return kept


def _day(given: str | date | None) -> date | None:
    return date.fromisoformat(given) if isinstance(given, str) else given
