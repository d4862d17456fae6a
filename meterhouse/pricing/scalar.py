"""One price, one quantity: the slow twin of the engine, for tests and for reading."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from meterhouse.errors import UsageError
from meterhouse.pricing import flat, graduated, per_unit

MODELS: Mapping[str, Callable[[Decimal, Mapping[str, Any]], Decimal]] = MappingProxyType(
    {"flat": flat.charge, "graduated": graduated.charge, "per_unit": per_unit.charge}
)


def charge(price: Mapping[str, Any], quantity: Decimal) -> Decimal:
    """The unrounded charge of a full period for a price with all its defaults filled."""
    model = price["model"]
    if model not in MODELS:
        raise UsageError(f"Price model {model!r} is not known; known are {', '.join(MODELS)}.")
    return MODELS[model](quantity, price)
