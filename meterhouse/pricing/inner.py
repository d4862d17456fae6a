"""The models that a price of parts may use inside: each needs one quantity and no period."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.money import AMOUNT
from meterhouse.pricing import (
    dynamic,
    graduated,
    graduated_percentage,
    overage,
    package,
    per_unit,
    stairstep,
    volume,
)
from meterhouse.pricing.steps import RATED


class _Model(NamedTuple):
    rate: Callable[[pl.DataFrame], pl.DataFrame]
    charge: Callable[[Decimal, Mapping[str, Any]], Decimal]


_MODELS: Mapping[str, _Model] = MappingProxyType(
    {
        "dynamic": _Model(dynamic.rate, dynamic.charge),
        "graduated": _Model(graduated.rate, graduated.charge),
        "graduated_percentage": _Model(graduated_percentage.rate, graduated_percentage.charge),
        "overage": _Model(overage.rate, overage.charge),
        "package": _Model(package.rate, package.charge),
        "per_unit": _Model(per_unit.rate, per_unit.charge),
        "stairstep": _Model(stairstep.rate, stairstep.charge),
        "volume": _Model(volume.rate, volume.charge),
    }
)
_NOTHING = pl.DataFrame(
    schema=pl.Schema({"lot": pl.UInt32(), "amount": AMOUNT, "steps": pl.String()})
)


def charge(quantity: Decimal, price: Mapping[str, Any]) -> Decimal:
    """The unrounded charge. Slow and obvious: tests hold `rated` to it."""
    return _MODELS[price["model"]].charge(quantity, price)


def rated(lots: pl.DataFrame) -> pl.DataFrame:
    """The lots in their order with `amount` (unrounded) and `steps` (JSON text).

    A lot has a `quantity`, `inner_model` and `inner`, the canonical JSON of its price.
    """
    numbered = lots.with_row_index("lot")
    asked = numbered.select(
        window_id="lot", price="inner", price_model="inner_model", quantity="quantity"
    )
    found = [
        _model(str(name)).rate(own).select(RATED).rename(_NAMES)
        for (name,), own in asked.partition_by("price_model", as_dict=True).items()
    ]
    amounts = pl.concat([_NOTHING, *found])
    return numbered.join(amounts, on="lot", how="left", maintain_order="left").drop("lot")


_NAMES = {"window_id": "lot", "amount_unrounded": "amount"}


def _model(name: str) -> _Model:
    if name not in _MODELS:
        raise UsageError(
            f"Price model {name!r} cannot stand inside another price; {', '.join(_MODELS)} can. "
            "Nothing was rated."
        )
    return _MODELS[name]
