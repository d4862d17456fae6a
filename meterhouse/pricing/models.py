"""The price models by name: each as columns and as its slow twin."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl

from meterhouse.money import QUANTITY
from meterhouse.pricing import (
    bps,
    bucketed,
    bulk_bps,
    capacity,
    dynamic,
    flat,
    formula,
    graduated,
    graduated_percentage,
    matrix,
    overage,
    package,
    per_unit,
    percentage,
    prorated_graduated,
    prorated_volume,
    stairstep,
    tiered_bps,
    two_dimensional,
    volume,
    windowed_commitment,
)

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
    `charge` is the scalar twin: of a quantity and a price, or of parts and a price. A model that
    `takes_whole` reads a window without parts as one part of the whole quantity."""

    rate: Callable[..., pl.DataFrame]
    charge: Callable[..., Any]
    reads_parts: bool = False
    takes_whole: bool = False


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "bps": Model(bps.rate, bps.charge, reads_parts=True, takes_whole=True),
        "bucketed": Model(bucketed.rate, bucketed.charge, reads_parts=True),
        "bulk_bps": Model(bulk_bps.rate, bulk_bps.charge, reads_parts=True, takes_whole=True),
        "capacity": Model(capacity.rate, capacity.charge, reads_parts=True),
        "dynamic": Model(dynamic.rate, dynamic.charge),
        "flat": Model(flat.rate, flat.charge),
        "formula": Model(formula.rate, formula.charge, reads_parts=True),
        "graduated": Model(graduated.rate, graduated.charge),
        "graduated_percentage": Model(graduated_percentage.rate, graduated_percentage.charge),
        "matrix": Model(matrix.rate, matrix.charge, reads_parts=True),
        "overage": Model(overage.rate, overage.charge),
        "package": Model(package.rate, package.charge),
        "per_unit": Model(per_unit.rate, per_unit.charge),
        "percentage": Model(percentage.rate, percentage.charge, reads_parts=True, takes_whole=True),
        "prorated_graduated": Model(
            prorated_graduated.rate, prorated_graduated.charge, reads_parts=True
        ),
        "prorated_volume": Model(prorated_volume.rate, prorated_volume.charge, reads_parts=True),
        "stairstep": Model(stairstep.rate, stairstep.charge),
        "tiered_bps": Model(tiered_bps.rate, tiered_bps.charge, reads_parts=True, takes_whole=True),
        "two_dimensional": Model(two_dimensional.rate, two_dimensional.charge, reads_parts=True),
        "volume": Model(volume.rate, volume.charge),
        "windowed_commitment": Model(
            windowed_commitment.rate, windowed_commitment.charge, reads_parts=True
        ),
    }
)
