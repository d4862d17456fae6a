"""The terms of a case that hold for any model: in the book they are modifiers of the item."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from meterhouse.canonical import canonical_json
from meterhouse.contracts.modifiers import ItemModifiers
from tests.conformance.readings import plainly, refuse_unknown
from tests.conformance.vectors import NotSupported

MODIFIERS = (
    *("minimum_amount", "maximum_amount", "percentage_discount", "usage_discount_quantity"),
    *("unit_config", "round_before_commitment"),
)
_WHOLE = {"none": "none", "floor": "down", "ceil": "up", "half_up": "half_up"}


def item_modifiers(price: Mapping[str, Any]) -> str | None:
    """The modifiers as the book holds them, or None where the case says none."""
    given = {name: price[name] for name in MODIFIERS if price.get(name) is not None}
    said: dict[str, Any] = {}
    if "unit_config" in given:
        said["convert"] = _convert(given["unit_config"])
    if "usage_discount_quantity" in given:
        said["free_quantity"] = plainly(given["usage_discount_quantity"])
    if "percentage_discount" in given:
        share = Decimal(given["percentage_discount"]).scaleb(-2)
        said["discounts"] = [{"percentage": format(share, "f")}]
    for name in ("maximum", "minimum"):
        if f"{name}_amount" in given:
            said[name] = {"amount": plainly(given[f"{name}_amount"])}
    try:
        modifiers = ItemModifiers.model_validate(said)
    except ValidationError as error:
        raise NotSupported(f"terms that the book refuses: {error.errors()[0]['msg']}") from error
    return canonical_json(modifiers.model_dump(mode="json", by_alias=True)) if said else None


def _convert(config: Mapping[str, Any]) -> dict[str, Any]:
    refuse_unknown("unit_config field", config, {"op", "factor", "rounding"})
    mode = config.get("rounding", "none")
    if mode not in _WHOLE:
        raise NotSupported(f"unit_config rounding {mode}")
    return {"op": config["op"], "factor": plainly(config["factor"]), "rounding": _WHOLE[mode]}
