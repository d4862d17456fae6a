"""Items as people write them where the catalog says the rest: every key may be absent."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    create_model,
    model_serializer,
)
from pydantic.fields import FieldInfo

from meterhouse.catalog.fields import Day, Id, Strict
from meterhouse.contracts.items import Item
from meterhouse.contracts.prices import Price


class PriceReference(Strict):
    """A list price by its id."""

    ref: Id = Field(description="Id of the price.")
    on: Day | None = Field(
        None, description="Day whose version is taken; absent: the day the terms begin to hold."
    )


def _how(value: Any) -> str:
    is_reference = isinstance(value, PriceReference) or (isinstance(value, dict) and "ref" in value)
    return "by reference" if is_reference else "in place"


AnyPrice = Annotated[
    Annotated[PriceReference, Tag("by reference")] | Annotated[Price, Tag("in place")],
    Discriminator(_how),
]


class _Partial(Strict):
    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = dump(self)
        return {name: value for name, value in content.items() if value is not None}


if TYPE_CHECKING:

    class ItemTerms(_Partial):
        """Some keys of an item."""

        id: str | None = None

else:

    def _optional(field: FieldInfo) -> tuple[Any, Any]:
        alias = field.alias
        return field.rebuild_annotation() | None, Field(
            None, description=field.description, alias=alias
        )

    # Made from Item, so that whatever an item may say can be said here too.
    ItemTerms = create_model(
        "ItemTerms",
        __base__=_Partial,
        __doc__="Some keys of an item: the plan, the product or the list price says the rest.",
        **{name: _optional(field) for name, field in Item.model_fields.items() if name != "price"},
        price=(
            AnyPrice | None,
            Field(None, description="What it costs, or the id of a list price under `ref`."),
        ),
    )
