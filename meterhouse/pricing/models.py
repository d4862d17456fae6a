"""The price models by name: each as columns and as its slow twin."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl

from meterhouse.money import QUANTITY
from meterhouse.pricing import flat, graduated, per_unit

# What a window is made of, for models that need more than one quantity: events in order, time
# buckets, dimension values, units or movements. `keys` is canonical JSON, "{}" where there is none;
# the weight of a part is weight_numerator / weight_denominator, 1 / 1 where it has none.
PARTS: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "window_id": pl.String,
        "part_no": pl.Int64,
        "keys": pl.String,
        "quantity": QUANTITY,
        "weight_numerator": pl.Int64,
        "weight_denominator": pl.Int64,
    }
)


class Model(NamedTuple):
    """A price model. `rate` gets windows (and their parts, if it reads them) and returns RATED;
    `charge` is the scalar twin: of a quantity and a price, or of parts and a price."""

    rate: Callable[..., pl.DataFrame]
    charge: Callable[..., Any]
    reads_parts: bool = False


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "flat": Model(flat.rate, flat.charge),
        "graduated": Model(graduated.rate, graduated.charge),
        "per_unit": Model(per_unit.rate, per_unit.charge),
    }
)
