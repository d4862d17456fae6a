"""Prices of one quantity without tiers: per unit, in packages, above what is included, dynamic."""

from decimal import Decimal
from typing import Literal, Self

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


class Package(Strict):
    """Units are sold in packages."""

    model: Literal["package"] = Field(description="Units are sold in packages.")
    package_size: Positive = Field(description="Units in a package.")
    package_amount: NonNegative = Field(
        description="Amount in the contract's currency for each package."
    )
    free_units: NonNegative = Field(
        Decimal(0), description="Units taken off before packages are counted."
    )
    rounding: Literal["up", "down"] = Field(
        "up", description="Whether a package that is only started is charged (up) or not (down)."
    )

    @property
    def decimals(self) -> int:
        """No decimals of a unit: packages are whole numbers."""
        return 0


class Overage(Strict):
    """Some units are included, each unit above them costs the same."""

    model: Literal["overage"] = Field(
        description="Some units are included, each unit above them costs the same."
    )
    included_units: NonNegative = Field(description="Units that cost nothing.")
    unit_amount: NonNegative = Field(
        description="Amount in the contract's currency for each unit above the included ones."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the price of one unit."""
        return places(self.unit_amount)


class Dynamic(Strict):
    """The events bring the amount; it is charged times a factor."""

    model: Literal["dynamic"] = Field(
        description="The quantity is money already; it is charged times a factor."
    )
    multiplier: NonNegative = Field(
        Decimal(1), description="Factor: '1' passes on what was measured, '1.2' adds 20 %."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the factor."""
        return places(self.multiplier)
