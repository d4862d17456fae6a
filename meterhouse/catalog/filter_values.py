"""How a meter's filter is written: a text in the filter language, or values by property."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from meterhouse.catalog.fields import PropertyName, Text, printable
from meterhouse.metering import filters


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("is a text (in quotes) or true or false")
    return printable(value)


def _readable(text: str) -> str:
    try:
        filters.parse(text)
    except filters.FilterError as error:
        # Said of the key `filter`, which the sentence names itself.
        raise ValueError(error.reason) from None
    return text


def _form(value: Any) -> str:
    return "Text" if isinstance(value, str) else "Values"


FilterValue = Annotated[bool | str, BeforeValidator(_value)]
FilterValues = dict[
    PropertyName, Annotated[tuple[FilterValue, ...], Field(min_length=1, strict=False)]
]
FilterText = Annotated[Text, AfterValidator(_readable)]
# A fault is told of the form that was written; the tags begin with capitals, as no property does.
MeterFilter = Annotated[
    Annotated[FilterText, Tag("Text")] | Annotated[FilterValues, Tag("Values")],
    Discriminator(_form),
]
