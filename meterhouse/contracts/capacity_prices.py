"""What a price of capacity may say: several units at once, one amount."""

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import NonNegative, PropertyName, Strict, Text


class CapacityTier(Strict):
    """How much of each unit is in a tier, and the one amount that it costs."""

    limits: dict[Text, NonNegative] = Field(
        {},
        description="Unit to the last quantity that is in the tier; a unit that is not named has "
        "no limit in it. The last tier has none.",
    )
    amount: NonNegative = Field(description="Amount in the contract's currency for the period.")


class Capacity(Strict):
    """Several units at once: the highest tier that any of them reaches sets one amount."""

    model: Literal["capacity"] = Field(
        description="Several units at once: the highest tier that any reaches sets one amount."
    )
    dimension: PropertyName = Field(
        "unit", description="Dimension of the meter whose values are the units of the limits."
    )
    tiers: Annotated[tuple[CapacityTier, ...], Field(min_length=1, strict=False)] = Field(
        description="The tiers with rising limits; the last one has none."
    )

    @property
    def decimals(self) -> int:
        """No decimals of a unit: the amount does not depend on the units within a tier."""
        return 0

    @property
    def dimensions(self) -> frozenset[str]:
        """The dimension whose values are units."""
        return frozenset({self.dimension})

    @model_validator(mode="after")
    def _limits_rise_to_an_open_end(self) -> Self:
        if self.tiers[-1].limits:
            raise ValueError("the last tier must have no limits: it is for all that is beyond")
        for low, high in pairwise(self.tiers):
            for unit, limit in high.limits.items():
                if not _is_below(low.limits.get(unit), limit):
                    raise ValueError(f"the limits of {unit!r} must rise from tier to tier")
        return self


def _is_below(low: Decimal | None, high: Decimal) -> bool:
    return low is not None and low < high
