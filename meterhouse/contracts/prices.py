"""What a price may say: one model per way of turning a quantity into an amount."""

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import (
    DECIMAL_PLACES,
    NonNegative,
    Positive,
    PowerOfTen,
    Strict,
    places,
)


class PerUnit(Strict):
    """Each unit costs the same."""

    model: Literal["per_unit"] = Field(description="Each unit costs the same.")
    unit_amount: NonNegative = Field(
        description="Amount in the contract's currency for `per` units."
    )
    per: PowerOfTen = Field(
        Decimal(1), description="How many units `unit_amount` is for, a power of ten: '1000000'."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the price of one unit."""
        return places(self.unit_amount.scaleb(-self.per.adjusted()))

    @model_validator(mode="after")
    def _one_unit_fits_the_scale(self) -> Self:
        if self.decimals > DECIMAL_PLACES:
            raise ValueError(
                f"the price of one unit (unit_amount / per) has {self.decimals} decimals, "
                f"at most {DECIMAL_PLACES} are exact"
            )
        return self


class Tier(Strict):
    """A range of quantity and what it costs."""

    up_to: Positive | None = Field(
        None, description="Last quantity in the tier, in units; null only in the last tier."
    )
    unit_amount: NonNegative = Field(
        description="Amount in the contract's currency for each unit in the tier."
    )
    flat_amount: NonNegative = Field(
        Decimal(0), description="Amount added once when the tier is reached."
    )


class Graduated(Strict):
    """Each unit costs what its own tier says."""

    model: Literal["graduated"] = Field(description="Each unit costs what its own tier says.")
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, strict=False)] = Field(
        description="The tiers with rising bounds; the last one is open."
    )
    bill_flat_on_zero: bool = Field(
        True, description="Whether the first tier's flat amount is billed when nothing was used."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the finest price of one unit."""
        return max(places(tier.unit_amount) for tier in self.tiers)

    @model_validator(mode="after")
    def _bounds_rise_to_an_open_end(self) -> Self:
        bounds = [tier.up_to for tier in self.tiers[:-1]]
        closed = [bound for bound in bounds if bound is not None]
        if self.tiers[-1].up_to is not None or len(closed) < len(bounds):
            raise ValueError("the last tier, and only it, must be open: `up_to: null`")
        if any(low >= high for low, high in pairwise(closed)):
            raise ValueError("`up_to` must rise from tier to tier")
        return self


class Flat(Strict):
    """A fee that does not depend on usage."""

    model: Literal["flat"] = Field(description="A fee that does not depend on usage.")
    amount: NonNegative = Field(
        description="Amount in the contract's currency for one of `quantity` and a full period."
    )


Price = Annotated[PerUnit | Graduated | Flat, Field(discriminator="model")]
