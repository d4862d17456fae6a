"""What the book says of taxes: rules of jurisdictions, who registered where, who is exempt."""

from datetime import date
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import (
    Country,
    Currency,
    Day,
    Documented,
    Fraction,
    PropertyName,
    Text,
)
from meterhouse.contracts.brief import Brief

STANDARD = "standard"


class TaxRule(Documented):
    """One tax of a jurisdiction on one category of what is sold; versions begin by `valid_from`."""

    SELDOM: ClassVar[frozenset[str]] = Documented.SELDOM | {"region", "rate", "reason", "until"}

    name: Text = Field(description="Name printed beside the rate: 'VAT', 'GST'.")
    country: Country = Field(description="Country that asks for it, ISO 3166-1 alpha-2.")
    region: Text | None = Field(
        None,
        description="Region that asks for it, spelled as in addresses; absent: the whole country.",
    )
    category: PropertyName = Field(
        STANDARD, description="Category of what is taxed, as items and products name it."
    )
    treatment: Literal["taxed", "exempt", "out_of_scope"] = Field(
        "taxed", description="Whether the category is taxed; a zero rate is taxed with rate '0'."
    )
    rate: Fraction | None = Field(
        None, description="Decimal fraction of the net amount, '0.19' for 19 %; taxed only."
    )
    compound: bool = Field(
        False, description="Whether it is also due on the taxes of the line that come before it."
    )
    order: Annotated[int, Field(ge=1, le=99)] = Field(
        1, description="Its place among the taxes of a line, from 1."
    )
    reason: Text | None = Field(None, description="Why no tax is charged; needed unless taxed.")
    until: Day | None = Field(
        None, description="First day it no longer holds; absent: until its next version."
    )

    @model_validator(mode="after")
    def _rate_or_reason(self) -> Self:
        if (self.treatment == "taxed") != (self.rate is not None):
            raise ValueError("`rate` is needed for treatment taxed and refused for all others")
        if self.treatment != "taxed" and self.reason is None:
            raise ValueError(f"`reason` is needed for treatment {self.treatment}")
        if self.treatment != "taxed" and self.compound:
            raise ValueError(f"`compound` is for treatment taxed, and this is {self.treatment}")
        return self


class _Lasting(Brief):
    """Something that holds between two days."""

    from_: Day | None = Field(
        None, alias="from", description="First day it holds; absent: always held."
    )
    until: Day | None = Field(
        None, description="First day it no longer holds; absent: it holds on."
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if (self.until or date.max) <= (self.from_ or date.min):
            raise ValueError("`until` must be later than `from`")
        return self


TaxPoint = Literal["invoice_date", "service_end"]


class Registration(_Lasting):
    """A jurisdiction in which an entity charges tax."""

    country: Country = Field(description="Country, ISO 3166-1 alpha-2.")
    region: Text | None = Field(
        None, description="Region, spelled as in addresses; absent: the taxes of the country."
    )
    number: Text | None = Field(None, description="The entity's tax number there.")
    point: TaxPoint | None = Field(
        None, description="Day whose rate holds there; absent: as the entity's `tax` says."
    )


class TaxOptions(Brief):
    """How an entity computes tax: by rules, or by asking an engine."""

    rounding: Literal["invoice_per_rate", "invoice", "line"] = Field(
        "invoice_per_rate",
        description="Rounded once per rate of a document, once for the document, or on each line.",
    )
    mode: Literal["half_up", "half_even"] = Field(
        "half_up", description="Where a half unit goes: away from zero, or to the even one."
    )
    point: TaxPoint = Field(
        "invoice_date",
        description="Day whose rate holds: the document's, or the last day of a line's window.",
    )
    engine: Text | None = Field(
        None,
        description="Engine of `tax_engines` in the settings that says the taxes; absent: rules.",
    )
    currency: Currency | None = Field(
        None,
        description="Currency in which it accounts for taxes, ISO 4217; documents in another one "
        "tell their taxes in it too. Absent: that of each document.",
    )
    rates: Text | None = Field(
        None, description="Source of exchange rates for `currency`, as `rates import` names it."
    )
    max_age_days: Annotated[int, Field(ge=0, le=31)] = Field(
        5, description="Days that a rate may be older than the document that uses it."
    )

    @model_validator(mode="after")
    def _rates_of_a_currency(self) -> Self:
        if self.currency is not None and self.rates is None:
            raise ValueError("`currency` needs `rates`, the source of its exchange rates")
        if self.currency is None and self.rates is not None:
            raise ValueError("`rates` are for `currency`; add it, or remove them")
        return self


class Exemption(_Lasting):
    """A customer's certificate that it is exempt in a jurisdiction."""

    certificate: Text = Field(description="Number of the certificate.")
    country: Country = Field(description="Country whose taxes it exempts from.")
    region: Text | None = Field(
        None, description="Region whose taxes it exempts from; absent: all taxes of the country."
    )
    category: PropertyName | None = Field(
        None, description="Tax category it is for; absent: every one."
    )
    reason: Text = Field(description="Text printed on documents.")
