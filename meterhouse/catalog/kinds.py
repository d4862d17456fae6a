"""The kinds of documents a book may hold, in the order in which one refers to the other."""

from collections.abc import Mapping

from meterhouse.catalog.criteria import Criterion
from meterhouse.catalog.documents import Customer, Entity, EventType
from meterhouse.catalog.fields import Day, Id, Strict
from meterhouse.catalog.meters import Meter
from meterhouse.catalog.payment_terms import PaymentTerms
from meterhouse.catalog.plans import Plan
from meterhouse.catalog.products import Attribute, Product, ProductPrice
from meterhouse.catalog.tax_documents import TaxRule
from meterhouse.contracts.documents import Contract

KINDS: Mapping[str, type[Strict]] = {
    "attribute": Attribute,
    "entity": Entity,
    "payment_terms": PaymentTerms,
    "tax_rule": TaxRule,
    "event_type": EventType,
    "meter": Meter,
    "product": Product,
    "price": ProductPrice,
    "plan": Plan,
    "customer": Customer,
    "contract": Contract,
    "criterion": Criterion,
}


class Header(Strict):
    """What names a slot of the book, besides the kind: the id and the day it holds from."""

    id: Id
    valid_from: Day | None = None
