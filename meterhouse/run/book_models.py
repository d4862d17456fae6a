"""The dbt models that the meters of a book name: what is wrong with them, which are named by none.

dbt takes seconds to import and to read its project, so only homes that have models pay for it.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from meterhouse.catalog.loading import Document
from meterhouse.schema import PROPERTY_PREFIX, property_type
from meterhouse.settings import Settings


def model_faults(
    settings: Settings, book: Sequence[Document], events: Mapping[str, str]
) -> list[str]:
    """One sentence per fault of the SQL meters; `events` are the columns of recorded events."""
    wanted = sql_meters(book)
    if not wanted and settings.models is None:
        return []
    from meterhouse.run.sql_meter_checks import model_faults

    return model_faults(settings, wanted, {**events, **_typed_columns(book)})


def unused_models(settings: Settings, book: Sequence[Document]) -> list[str]:
    """One sentence per model tagged `meter` that no meter of the book names."""
    if settings.models is None:
        return []
    from meterhouse.run.sql_meter_checks import unused_models

    return unused_models(settings, sql_meters(book))


def sql_meters(book: Sequence[Document]) -> dict[str, str]:
    """The dbt model of each SQL meter as its newest document names it."""
    ordered = sorted(book, key=lambda one: one.valid_from or date.min)
    newest = {one.id: one.content for one in ordered if one.kind == "meter"}
    return {
        meter: content["model"]
        for meter, content in newest.items()
        if content.get("aggregation") == "sql"
    }


def _typed_columns(book: Sequence[Document]) -> dict[str, str]:
    """Name to type of the columns that the properties of event types have, or will have."""
    return {
        PROPERTY_PREFIX + name: property_type(prop["type"], int(prop.get("decimals") or 0))
        for one in book
        if one.kind == "event_type"
        for name, prop in one.content["properties"].items()
    }
