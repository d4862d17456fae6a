"""Documents that say nothing of what is not given: a new field leaves old content as it is."""

from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from meterhouse.catalog.fields import Strict


class Brief(Strict):
    """Says nothing of what is not given."""

    @model_serializer(mode="wrap")
    def _without_nulls(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = dump(self)
        return {name: value for name, value in content.items() if value not in (None, [], ())}
