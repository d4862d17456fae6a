"""One-off invoices as people write them: who is billed what, once, with no contract behind it."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationError, model_validator

from meterhouse.catalog import yaml_text
from meterhouse.catalog.faults import sentences
from meterhouse.catalog.fields import (
    Currency,
    CustomValue,
    Day,
    Exact,
    Id,
    Positive,
    PropertyName,
    Sparing,
    Text,
)

# What a product of quantity and price may have before its point; after it there are 18 places.
MOST = Decimal(10) ** 15
SCALE = 18


class OneOffLine(Sparing):
    """One line of a one-off invoice."""

    SELDOM: ClassVar[frozenset[str]] = frozenset(
        {"product", "from", "until", "tax_category", "reference", "custom"}
    )

    description: Text = Field(description="What the customer reads.")
    quantity: Positive = Field(Decimal(1), description="How many.")
    unit_price: Exact = Field(description="Price of one; below zero for what is taken off.")
    product: Id | None = Field(None, description="The product it is about.")
    service_from: Day | None = Field(
        None, alias="from", description="First day of the service; absent: the invoice's date."
    )
    until: Day | None = Field(
        None, description="Day after the last one of the service; absent: the day after `from`."
    )
    tax_category: PropertyName | None = Field(
        None, description="Category that tax rules ask for; absent: that of the product."
    )
    reference: Text | None = Field(None, description="The buyer's reference of the line.")
    custom: dict[PropertyName, CustomValue] | None = Field(
        None, description="Attributes of the line, kept in the document's `price`."
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        first, until = self.service_from, self.until
        if first is not None and until is not None and until <= first:
            raise ValueError(f"`until` {until} is the day after the last one; `from` is {first}.")
        if until is not None and first is None:
            raise ValueError("`until` needs `from`, the first day of the service.")
        if _places(self.quantity) + _places(self.unit_price) > SCALE:
            raise ValueError(f"quantity and price have more than {SCALE} decimals together.")
        if _places(self.quantity) > 12:
            raise ValueError("the quantity has more than 12 decimals.")
        if abs(self.quantity * self.unit_price) >= MOST:
            raise ValueError("quantity times price has more than 15 digits before its point.")
        return self


class OneOff(Sparing):
    """One invoice that is billed once: its id makes it the same however often it is given."""

    SELDOM: ClassVar[frozenset[str]] = frozenset({"reference", "custom"})

    id: Id = Field(description="What makes it the same invoice when it is given again.")
    customer: Id = Field(description="Who pays.")
    entity: Id = Field(description="Who sells.")
    currency: Currency = Field(description="ISO 4217 code.")
    date: Day = Field(description="The invoice's date; it is drafted by runs through it or later.")
    payment_terms: Id = Field(description="Terms of payment.")
    reference: Text | None = Field(None, description="The buyer's reference, a purchase order.")
    custom: dict[PropertyName, CustomValue] | None = Field(
        None, description="Attributes of the invoice, kept with the request."
    )
    lines: tuple[OneOffLine, ...] = Field(strict=False, min_length=1, description="At least one.")

    @model_validator(mode="after")
    def _is_owed(self) -> Self:
        net = sum((line.quantity * line.unit_price for line in self.lines), Decimal(0))
        if net < 0:
            raise ValueError(
                "the lines come to less than zero; `meterhouse invoices credit` takes back what "
                "was invoiced."
            )
        return self


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def read_one_offs(file: Path) -> tuple[list[OneOff], list[str]]:
    """The one-offs of a YAML or JSON file, one or a list of them per document, and all faults."""
    found: list[OneOff] = []
    faults: list[str] = []
    for parsed in yaml_text.parse(file.read_text(encoding="utf-8")):
        if parsed.faults:
            faults += [f"{file.name}:{line}: {sentence}" for line, sentence in parsed.faults]
            continue
        for value, marks in _each(parsed):
            one = _made(value, marks, parsed.line, file.name, faults)
            if one is not None:
                found.append(one)
    ids = [one.id for one in found]
    faults += [
        f"{file.name}: {name} is there {ids.count(name)} times; an id names one invoice."
        for name in sorted(set(ids))
        if ids.count(name) > 1
    ]
    if not found and not faults:
        faults = [f"{file.name} holds no invoice."]
    return found, faults


def _each(parsed: yaml_text.Parsed) -> Iterator[tuple[Any, dict[tuple[str | int, ...], int]]]:
    """The entries of a list of invoices, or the one invoice, with the lines of its keys."""
    if not isinstance(parsed.value, list):
        yield parsed.value, parsed.lines
        return
    for index, value in enumerate(parsed.value):
        marks = {path[1:]: line for path, line in parsed.lines.items() if path[:1] == (index,)}
        yield value, marks


def _made(
    value: Any, marks: dict[tuple[str | int, ...], int], line: int, name: str, faults: list[str]
) -> OneOff | None:
    if not isinstance(value, dict):
        faults.append(f"{name}:{line}: an invoice is a mapping of keys to values.")
        return None
    try:
        return OneOff.model_validate(value)
    except ValidationError as error:
        who = value.get("id") or "an invoice without an id"
        faults += [
            f"{name}:{mark or line}: {who}: {sentence}"
            for mark, sentence in sentences(error, OneOff, value, marks)
        ]
        return None
