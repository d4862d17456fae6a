"""One price, one quantity: the slow twin of the engine, for tests and for reading."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from meterhouse.errors import UsageError
from meterhouse.pricing.models import MODELS


def charge(
    price: Mapping[str, Any], quantity: Decimal, parts: Sequence[Mapping[str, Any]] = ()
) -> Decimal:
    """The unrounded charge of a full period for a price with all its defaults filled.

    `parts` (dicts with the columns of PARTS but window_id) are for the models that read them.
    """
    model = MODELS.get(price["model"])
    if model is None:
        raise UsageError(
            f"Price model {price['model']!r} is not known; known are {', '.join(MODELS)}."
        )
    if not model.reads_parts:
        return Decimal(model.charge(quantity, price))
    is_whole = model.takes_whole and not parts and quantity > 0
    return Decimal(model.charge([{"quantity": quantity}] if is_whole else parts, price))
