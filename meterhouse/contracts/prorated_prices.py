"""What prices may say of units that count for the part of the period they were there."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import NonNegative, Strict, places
from meterhouse.contracts.tier_prices import Bounded, open_ended


class ProratedTier(Bounded):
    """A range of full units and what it costs."""

    unit_amount: NonNegative = Field(
        Decimal(0), description="Amount in the contract's currency for a unit in a full period."
    )
    flat_amount: NonNegative = Field(
        Decimal(0), description="Amount added once when the tier is reached; never prorated."
    )


class _Prorated(Strict):
    tiers: Annotated[tuple[ProratedTier, ...], Field(min_length=1, strict=False)] = Field(
        description="The tiers with rising bounds in full units; the last one is open."
    )
    bill_flat_on_zero: bool = Field(
        True, description="Whether the first tier's flat amount is billed when there was no unit."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the finest price of one unit."""
        return max(places(tier.unit_amount) for tier in self.tiers)

    @property
    def dimensions(self) -> frozenset[str]:
        """It names none."""
        return frozenset()

    @model_validator(mode="after")
    def _bounds_rise_to_an_open_end(self) -> Self:
        open_ended(self.tiers)
        return self


class ProratedGraduated(_Prorated):
    """Each unit costs what its tier says, for the part of the period after it came."""

    model: Literal["prorated_graduated"] = Field(
        description="Units move a level; each costs what its tier says, for the part of the period "
        "that was left. Flat amounts by the highest level, unprorated."
    )


class ProratedVolume(_Prorated):
    """The full units pick the tier, the prorated units are priced."""

    model: Literal["prorated_volume"] = Field(
        description="The full units pick the tier; the units by the part of the period they were "
        "there are charged its price."
    )
