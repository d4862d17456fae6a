"""What prices with tiers may say: which quantity lies in which tier, and what a tier costs."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from meterhouse.catalog.fields import Fraction, NonNegative, Positive, Strict, places

_TIER_COST = ("unit_amount", "flat_amount", "package_amount")
# Left out of the canonical text where they are not said, so that prices without them keep theirs.
_SELDOM = ("package_size", "package_amount", "cap")


class Bounded(Strict):
    """A range of quantity: above the last tier's `up_to`, up to and with its own."""

    up_to: Positive | None = Field(
        None, description="Last quantity in the tier, in units; null only in the last tier."
    )


class Tier(Bounded):
    """A range of quantity and what it costs."""

    unit_amount: NonNegative = Field(
        Decimal(0), description="Amount in the contract's currency for each unit in the tier."
    )
    flat_amount: NonNegative = Field(
        Decimal(0), description="Amount added once when the tier is reached."
    )
    package_size: Positive | None = Field(
        None,
        description="Units in a package; started packages are whole: of the units in the tier, "
        "under volume of the whole quantity.",
    )
    package_amount: NonNegative | None = Field(
        None, description="Amount in the contract's currency for each package, beside the units."
    )
    cap: NonNegative | None = Field(
        None, description="Most that the tier's own units, packages and flat amount may cost."
    )

    @model_validator(mode="after")
    def _says_what_it_costs(self) -> Self:
        if not self.model_fields_set.intersection(_TIER_COST):
            raise ValueError(f"a tier needs one of {', '.join(_TIER_COST)}; free is '0'")
        if (self.package_size is None) != (self.package_amount is None):
            raise ValueError("`package_size` and `package_amount` belong together")
        return self

    @model_serializer(mode="wrap")
    def _without_seldom(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = dump(self)
        return {
            name: value
            for name, value in content.items()
            if value is not None or name not in _SELDOM
        }


class StairTier(Bounded):
    """A range of quantity and the one amount that it costs."""

    flat_amount: NonNegative = Field(
        description="Amount in the contract's currency, whatever the quantity in the tier."
    )


class RateTier(Bounded):
    """A range of money and the share of it that is charged."""

    rate: Fraction = Field(description="Share of the value in the tier: '0.013' is 1.3 %.")
    flat_amount: NonNegative = Field(
        Decimal(0), description="Amount added once when the tier is reached."
    )


def open_ended(tiers: Sequence[Bounded]) -> None:
    """Refuse tiers whose bounds do not rise to an open last one."""
    bounds = [tier.up_to for tier in tiers[:-1]]
    closed = [bound for bound in bounds if bound is not None]
    if tiers[-1].up_to is not None or len(closed) < len(bounds):
        raise ValueError("the last tier, and only it, must be open: `up_to: null`")
    if any(low >= high for low, high in pairwise(closed)):
        raise ValueError("`up_to` must rise from tier to tier")


class _Tiered(Strict):
    """Shared by the prices whose tiers may bill a flat amount when nothing was used."""

    bill_flat_on_zero: bool = Field(
        True, description="Whether the first tier's flat amount is billed when nothing was used."
    )


class _UnitTiers(_Tiered):
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, strict=False)] = Field(
        description="The tiers with rising bounds; the last one is open."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the finest price of one unit."""
        return max(places(tier.unit_amount) for tier in self.tiers)

    @model_validator(mode="after")
    def _bounds_rise_to_an_open_end(self) -> Self:
        open_ended(self.tiers)
        return self


class Graduated(_UnitTiers):
    """Each unit costs what its own tier says."""

    model: Literal["graduated"] = Field(description="Each unit costs what its own tier says.")


class Volume(_UnitTiers):
    """All units cost what the tier of the whole quantity says."""

    model: Literal["volume"] = Field(
        description="All units cost what the tier of the whole quantity says."
    )


class Stairstep(_Tiered):
    """One amount, by the tier of the whole quantity."""

    model: Literal["stairstep"] = Field(
        description="One amount, by the tier of the whole quantity."
    )
    tiers: Annotated[tuple[StairTier, ...], Field(min_length=1, strict=False)] = Field(
        description="The tiers with rising bounds; the last one is open."
    )

    @property
    def decimals(self) -> int:
        """No decimals of a unit: the amount does not depend on the units within a tier."""
        return 0

    @model_validator(mode="after")
    def _bounds_rise_to_an_open_end(self) -> Self:
        open_ended(self.tiers)
        return self


class GraduatedPercentage(_Tiered):
    """Money: of each part the share that its own tier says."""

    model: Literal["graduated_percentage"] = Field(
        description="Of measured money, each part is charged the rate of its own tier."
    )
    tiers: Annotated[tuple[RateTier, ...], Field(min_length=1, strict=False)] = Field(
        description="The tiers with rising bounds; the last one is open."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the finest rate."""
        return max(places(tier.rate) for tier in self.tiers)

    @model_validator(mode="after")
    def _bounds_rise_to_an_open_end(self) -> Self:
        open_ended(self.tiers)
        return self
