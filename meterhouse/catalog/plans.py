"""What the book says of plans: the items that many contracts have in common."""

from collections import Counter
from typing import Annotated, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import Currency, Documented, Id, Text
from meterhouse.contracts.item_terms import ItemTerms


class Plan(Documented):
    """Items under a name; each `valid_from` begins another version of them."""

    name: Text = Field(description="Name of the plan.")
    currency: Currency = Field(description="Currency of its prices, ISO 4217.")
    version: Annotated[Text, Field(max_length=64)] | None = Field(
        None, description="Name of this version; absent: its `valid_from`, without one `first`."
    )
    products: tuple[Id, ...] = Field(
        (), strict=False, description="Ids of the products that it sells, for reports."
    )
    items: Annotated[tuple[ItemTerms, ...], Field(min_length=1, strict=False)] = Field(
        description="Its items, as contracts have them; each with an `id`."
    )
    description: Text | None = Field(None, description="What it is for, for people.")

    @model_validator(mode="after")
    def _items_are_told_apart(self) -> Self:
        counts = Counter(item.id for item in self.items)
        if None in counts:
            raise ValueError("every item of a plan needs an `id`, so that contracts can name it")
        repeated = sorted(str(id) for id, count in counts.items() if count > 1)
        if repeated:
            raise ValueError(f"item ids are used more than once: {', '.join(repeated)}")
        return self
