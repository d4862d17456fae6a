"""The kinds of documents a book may hold, in the order in which one refers to the other."""

from collections.abc import Mapping

from meterhouse.catalog.documents import Customer, Entity, EventType, PaymentTerms
from meterhouse.catalog.fields import Day, Id, Strict
from meterhouse.catalog.meters import Meter
from meterhouse.contracts.documents import Contract

KINDS: Mapping[str, type[Strict]] = {
    "entity": Entity,
    "payment_terms": PaymentTerms,
    "event_type": EventType,
    "meter": Meter,
    "customer": Customer,
    "contract": Contract,
}


class Header(Strict):
    """What names a slot of the book, besides the kind: the id and the day it holds from."""

    id: Id
    valid_from: Day | None = None
