"""What the book says of what is sold: products, their list prices, attributes of documents."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import (
    Currency,
    Day,
    Documented,
    Id,
    Positive,
    PropertyName,
    Strict,
    Text,
)
from meterhouse.contracts.prices import Price

KindName = Literal[
    "attribute",
    "entity",
    "payment_terms",
    "tax_rule",
    "criterion",
    "event_type",
    "meter",
    "product",
    "price",
    "plan",
    "customer",
    "contract",
]


class Attribute(Documented):
    """A typed value that documents may carry under `custom`; its name is the id."""

    type: Literal["integer", "decimal", "string", "boolean", "date"] = Field(
        description="Type of its values."
    )
    kinds: Annotated[tuple[KindName, ...], Field(min_length=1, strict=False)] = Field(
        description="Kinds of documents that may carry it."
    )
    values: (
        Annotated[tuple[Text, ...], Field(min_length=1, max_length=1000, strict=False)] | None
    ) = Field(None, description="All values it may have, for type string; absent: any.")
    required: bool = Field(
        False, description="Whether every document of these kinds must carry it."
    )
    description: Text | None = Field(None, description="What it says, for people.")

    @model_validator(mode="after")
    def _values_are_for_strings(self) -> Self:
        if self.values is not None and self.type != "string":
            raise ValueError("`values` is for type string and for no other type")
        return self


class Component(Strict):
    """One product of a bundle."""

    product: Id = Field(description="Id of the product.")
    quantity: Positive = Field(
        Decimal(1), description="How many of it are in one bundle, for products with a fee."
    )
    price: Id | None = Field(
        None, description="Id of its price; absent: its only list price in the currency."
    )


class Product(Documented):
    """Something that is sold; items of plans and contracts may name it."""

    SELDOM: ClassVar[frozenset[str]] = Documented.SELDOM | {"tax_category"}

    name: Text = Field(description="Name, printed on lines that have no description of their own.")
    type: Literal["product", "sub_product", "add_on", "bundle"] = Field(
        "product",
        description="A product, a part of one, an addition to one, or several sold together.",
    )
    parent: Id | None = Field(
        None, description="Id of the product it belongs to; needed for a sub_product."
    )
    components: tuple[Component, ...] = Field(
        (), strict=False, description="What a bundle is made of; for type bundle only."
    )
    meter: Id | None = Field(
        None, description="Id of the meter of its usage, for items that name no meter."
    )
    unit: Text | None = Field(None, description="What one of it is called: 'seat'.")
    tax_code: Text | None = Field(None, description="Tax code of its lines.")
    tax_category: PropertyName | None = Field(
        None, description="Category that tax rules go by; absent: 'standard'."
    )
    revenue_recognition: Text | None = Field(
        None, description="How its revenue is recognised, in the words of the accounts."
    )
    description: Text | None = Field(None, description="What it is, for people.")

    @model_validator(mode="after")
    def _belongs_to_its_type(self) -> Self:
        if (self.type == "bundle") != bool(self.components):
            raise ValueError("`components` is needed for type bundle and refused for all others")
        if self.type == "sub_product" and self.parent is None:
            raise ValueError("`parent` is needed for type sub_product")
        if self.type in ("product", "bundle") and self.parent is not None:
            raise ValueError("`parent` is for types sub_product and add_on only")
        names = [one.product for one in self.components]
        if len(set(names)) < len(names):
            raise ValueError("`components` names a product twice; give it a `quantity`")
        return self


class ProductPrice(Documented):
    """A list price of a product; each `valid_from` begins another version of it."""

    product: Id = Field(description="Id of the product.")
    currency: Currency = Field(description="Currency of its amounts, ISO 4217.")
    price: Price = Field(description="What it costs; `model` says how.")
    until: Day | None = Field(
        None,
        description="First day it no longer holds: the `valid_from` of the next version, or the "
        "end of the price. Absent: until the next version, or for ever.",
    )
    description: Text | None = Field(None, description="What it is for, for people.")
