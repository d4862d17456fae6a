"""The whole book in typed form, as the checks across documents read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from pydantic import ValidationError

from meterhouse.catalog import faults
from meterhouse.catalog.documents import Customer, Entity, EventType
from meterhouse.catalog.fields import Strict
from meterhouse.catalog.given import Document
from meterhouse.catalog.kinds import KINDS
from meterhouse.catalog.meters import Meter
from meterhouse.catalog.plans import Plan
from meterhouse.catalog.products import Product, ProductPrice
from meterhouse.contracts.documents import Contract

M = TypeVar("M", bound=Strict)


@dataclass(frozen=True, slots=True)
class Slot(Generic[M]):
    """A document and its life: it is in force from `since` (inclusive) until `until`."""

    document: Document
    model: M
    since: date
    until: date

    @property
    def id(self) -> str:
        """The id of the document."""
        return self.document.id

    def fault(self, sentence: str) -> str:
        """The sentence with place, kind and id before it."""
        return self.document.fault(sentence)


@dataclass(frozen=True, slots=True)
class Book:
    """Slots of all kinds, those of one id in the order of their dates."""

    entities: Sequence[Slot[Entity]]
    event_types: Sequence[Slot[EventType]]
    meters: Sequence[Slot[Meter]]
    customers: Sequence[Slot[Customer]]
    contracts: Sequence[Slot[Contract]]
    products: Sequence[Slot[Product]]
    prices: Sequence[Slot[ProductPrice]]
    plans: Sequence[Slot[Plan]]
    ids: Mapping[str, Mapping[str, date]]  # Kind, then id, to the day it is known from.


def read(
    documents: Sequence[Document], headers: Sequence[tuple[str, str, date | None]] = ()
) -> tuple[Book, list[str]]:
    """The typed book, and a fault for each document whose content is not valid.

    `headers` are kind, id and date of documents that are given with faults: they are known too.
    """
    found: list[str] = []
    typed = [pair for one in _ordered(documents) for pair in _typed(one, found)]
    slots = [
        Slot(one, model, one.valid_from or date.min, _next_from(one, following))
        for (one, model), following in zip(typed, [*typed[1:], None][: len(typed)], strict=True)
    ]
    book = Book(
        _of(slots, Entity),
        _of(slots, EventType),
        _of(slots, Meter),
        _of(slots, Customer),
        _of(slots, Contract),
        _of(slots, Product),
        _of(slots, ProductPrice),
        _of(slots, Plan),
        _ids(documents, headers),
    )
    return book, found


def grouped(slots: Sequence[Slot[M]]) -> Mapping[str, list[Slot[M]]]:
    """The slots of each id."""
    groups: dict[str, list[Slot[M]]] = {}
    for slot in slots:
        groups.setdefault(slot.id, []).append(slot)
    return groups


def _ordered(documents: Sequence[Document]) -> list[Document]:
    return sorted(documents, key=lambda one: (one.kind, one.id, one.valid_from or date.min))


def _typed(document: Document, found: list[str]) -> Iterator[tuple[Document, Strict]]:
    try:
        yield document, KINDS[document.kind].model_validate(document.content)
    except ValidationError as error:
        model = KINDS[document.kind]
        for _, sentence in faults.sentences(error, model, document.content, {}):
            found.append(document.fault(sentence))


def _next_from(one: Document, following: tuple[Document, Strict] | None) -> date:
    if following is None or following[0].slot[:2] != one.slot[:2]:
        return date.max
    return following[0].valid_from or date.max


def _of(slots: Sequence[Slot[Strict]], model: type[M]) -> list[Slot[M]]:
    return [
        Slot(slot.document, slot.model, slot.since, slot.until)
        for slot in slots
        if isinstance(slot.model, model)
    ]


def _ids(
    documents: Sequence[Document], headers: Sequence[tuple[str, str, date | None]]
) -> Mapping[str, Mapping[str, date]]:
    ids: dict[str, dict[str, date]] = {kind: {} for kind in KINDS}
    for kind, id, valid_from in [*(one.slot for one in documents), *headers]:
        since = valid_from or date.min
        ids[kind][id] = min(since, ids[kind].get(id, date.max))
    return ids
