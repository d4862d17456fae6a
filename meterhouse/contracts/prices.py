"""What a price may say: one model per way of turning a quantity into an amount."""

from typing import Annotated, Literal

from pydantic import Field

from meterhouse.catalog.fields import NonNegative, Strict
from meterhouse.contracts.capacity_prices import Capacity
from meterhouse.contracts.event_prices import Bps, BulkBps, Percentage, TieredBps
from meterhouse.contracts.formula_prices import Formula
from meterhouse.contracts.part_prices import (
    Bucketed,
    Matrix,
    TwoDimensional,
    WindowedCommitment,
)
from meterhouse.contracts.prorated_prices import ProratedGraduated, ProratedVolume
from meterhouse.contracts.tier_prices import Graduated, GraduatedPercentage, Stairstep, Volume
from meterhouse.contracts.unit_prices import Dynamic, Overage, Package, PerUnit


class Flat(Strict):
    """A fee that does not depend on usage."""

    model: Literal["flat"] = Field(description="A fee that does not depend on usage.")
    amount: NonNegative = Field(
        description="Amount in the contract's currency for one of `quantity` and a full period."
    )


Price = Annotated[
    PerUnit
    | Graduated
    | Flat
    | Volume
    | Stairstep
    | Package
    | Overage
    | Dynamic
    | Percentage
    | GraduatedPercentage
    | Bps
    | BulkBps
    | TieredBps
    | Matrix
    | TwoDimensional
    | Bucketed
    | WindowedCommitment
    | Capacity
    | ProratedGraduated
    | ProratedVolume
    | Formula,
    Field(discriminator="model"),
]
