"""The versions of plans, products and prices that a contract can be made of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.catalog.fields import nearest
from meterhouse.catalog.given import Document
from meterhouse.catalog.plan import Version, differences, newest

KINDS = ("product", "price", "plan")


class Unknown(Exception):
    """Something that is named and cannot be found; its text is the sentence, and empty where the
    fault of what is named has been told already."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One version of a document: the day it holds from, its content and its hash."""

    kind: str
    id: str
    valid_from: date | None
    content: dict[str, Any]
    sha256: str

    @property
    def since(self) -> date:
        """First day it holds."""
        return self.valid_from or date.min

    @property
    def version(self) -> str:
        """Name of a version of a plan."""
        named = self.content.get("version")
        return str(named or (self.valid_from.isoformat() if self.valid_from else "first"))


class Shelf:
    """All versions, those of one id by date; what is given stands before what is recorded."""

    def __init__(
        self,
        documents: Iterable[Document],
        recorded: Sequence[Version],
        headers: Iterable[tuple[str, str, date | None]] = (),
    ) -> None:
        self._headers = {(kind, id) for kind, id, _ in headers}
        before = newest([one for one in recorded if one.kind in KINDS])
        slots = {slot: _recorded(one) for slot, one in before.items()}
        for one in documents:
            if one.kind in KINDS:
                version = before.get(one.slot)
                # What is recorded with this content keeps its hash: history is searched by it.
                if version is None or differences(version.content, one.content):
                    slots[one.slot] = _given(one)
        self._versions: dict[tuple[str, str], list[Kept]] = {}
        for kept in sorted(slots.values(), key=lambda one: (one.kind, one.id, one.since)):
            self._versions.setdefault((kept.kind, kept.id), []).append(kept)
        self._history = {
            (one.kind, one.id, one.content_sha256): one for one in recorded if one.kind in KINDS
        }
        self._prices: dict[tuple[str, str], list[str]] = {}
        for (kind, id), found in self._versions.items():
            if kind == "price":
                key = found[-1].content["product"], found[-1].content["currency"]
                self._prices.setdefault(key, []).append(id)

    def versions(self, kind: str, id: str) -> list[Kept]:
        """All versions of a document by date; raises Unknown where there is none."""
        found = self._versions.get((kind, id))
        if found is None and (kind, id) in self._headers:
            raise Unknown
        if found is None:
            known = [one for of, one in self._versions if of == kind]
            hint = nearest(id, known) if 0 < len(known) <= 50 else "add it to the book."
            raise Unknown(f"names {kind} {id!r}, which is neither in the book nor recorded; {hint}")
        return found

    def in_force(self, kind: str, id: str, on: date) -> Kept:
        """The version of a document on a day."""
        found = self.versions(kind, id)
        held = [one for one in found if one.since <= on]
        if not held:
            raise Unknown(
                f"names {kind} {id!r}, which holds only from {found[0].since}, after the day that "
                f"needs it ({on}). Give it an earlier `valid_from`."
            )
        until = held[-1].content.get("until") if kind == "price" else None
        if until is not None and date.fromisoformat(until) <= on:
            raise Unknown(
                f"names {kind} {id!r}, which ended on {until}, before the day that needs it "
                f"({on}). Name another price, or move its `until`."
            )
        return held[-1]

    def named(self, plan: str, version: str) -> Kept:
        """The version of a plan with this name."""
        found = {one.version: one for one in self.versions("plan", plan)}
        if version not in found:
            raise Unknown(
                f"names version {version!r} of plan {plan!r}, which has no such version; "
                f"{nearest(version, list(found))}"
            )
        return found[version]

    def recorded(self, kind: str, id: str, sha256: str, since: date | None) -> Kept | None:
        """The version with this content that was recorded once, also when it was corrected since;
        or that is given now."""
        one = self._history.get((kind, id, sha256))
        if one is not None:
            return Kept(kind, id, since, one.content, sha256)
        found = self._versions.get((kind, id), [])
        return next((kept for kept in found if kept.sha256 == sha256), None)

    def list_prices(self, product: str, currency: str) -> list[str]:
        """Ids of the list prices of a product in a currency."""
        return self._prices.get((product, currency), [])

    def all(self, kind: str) -> Iterator[Kept]:
        """All versions of a kind."""
        for (of, _), found in self._versions.items():
            if of == kind:
                yield from found


def _recorded(one: Version) -> Kept:
    return Kept(one.kind, one.id, one.valid_from, one.content, one.content_sha256)


def _given(one: Document) -> Kept:
    sha256 = sha256_text(canonical_json(one.content))
    return Kept(one.kind, one.id, one.valid_from, one.content, sha256)
