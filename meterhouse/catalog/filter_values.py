"""How a meter's filter is written: a text in the filter language, or values by property."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from meterhouse.catalog.fields import PropertyName, Text, printable


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("is a text (in quotes) or true or false")
    return printable(value)


def _readable(text: str) -> str:
    from meterhouse.metering.filters import parse

    parse(text)
    return text


FilterValue = Annotated[bool | str, BeforeValidator(_value)]
FilterValues = dict[
    PropertyName, Annotated[tuple[FilterValue, ...], Field(min_length=1, strict=False)]
]
FilterText = Annotated[Text, AfterValidator(_readable)]
