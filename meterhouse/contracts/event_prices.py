"""What prices of money that was moved may say: a share of each payment, with limits for each."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import DECIMAL_PLACES, Fraction, NonNegative, Strict, places
from meterhouse.contracts.tier_prices import Bounded, open_ended

BPS_DECIMALS = DECIMAL_PLACES - 4  # A basis point is 0.0001.
CAP = "Most that one event may cost, in the contract's currency; null: no limit."


class Percentage(Strict):
    """A share of measured money, and what each event adds."""

    model: Literal["percentage"] = Field(
        description="A share of measured money, and what each event adds."
    )
    rate: Fraction = Field(description="Share of the value that is charged: '0.013' is 1.3 %.")
    fixed_amount: NonNegative = Field(
        Decimal(0), description="Amount in the contract's currency for each event that is not free."
    )
    free_events: Annotated[int, Field(ge=0)] = Field(
        0, description="How many first events are free; 0: no such allowance."
    )
    free_amount: NonNegative = Field(
        Decimal(0),
        description="Value that is free, in event order; 0: no such allowance. Of two allowances "
        "the one that ends first ends both.",
    )
    min_per_event: NonNegative | None = Field(
        None, description="Least that an event costs that is not free; null: no limit."
    )
    max_per_event: NonNegative | None = Field(None, description=CAP)
    bill_fixed_on_zero: bool = Field(
        False, description="Whether events are charged also when their values add up to 0."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the rate."""
        return places(self.rate)

    @property
    def reads_events(self) -> bool:
        """Whether the sum of the values is not enough."""
        limits = (self.fixed_amount, self.free_events, self.min_per_event)
        return any(limits) or self.max_per_event is not None

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        low, high = self.min_per_event, self.max_per_event
        if low is not None and high is not None and low > high:
            raise ValueError("`min_per_event` is more than `max_per_event`")
        return self


def _exact(bps: Decimal) -> None:
    if places(bps) > BPS_DECIMALS:
        raise ValueError(f"`bps` has more than {BPS_DECIMALS} decimals")


class Bps(Strict):
    """Basis points of each event's value, at most a cap for each event."""

    model: Literal["bps"] = Field(
        description="Basis points of each event's value, at most a cap for each event."
    )
    bps: NonNegative = Field(description="Basis points of the value: '25' is 0.25 %.")
    per_event_cap: NonNegative | None = Field(None, description=CAP)

    @property
    def decimals(self) -> int:
        """Decimals of the rate."""
        return places(self.bps) + 4

    @property
    def reads_events(self) -> bool:
        """Whether the sum of the values is not enough."""
        return self.per_event_cap is not None

    @model_validator(mode="after")
    def _fits_the_scale(self) -> Self:
        _exact(self.bps)
        return self


class BpsTier(Bounded):
    """A range of the period's value and what is charged of each event in it."""

    bps: NonNegative = Field(description="Basis points of the value: '25' is 0.25 %.")
    per_event_cap: NonNegative | None = Field(None, description=CAP)


class _BpsTiers(Strict):
    tiers: Annotated[tuple[BpsTier, ...], Field(min_length=1, strict=False)] = Field(
        description="The tiers with rising bounds in value; the last one is open."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the finest rate."""
        return max(places(tier.bps) for tier in self.tiers) + 4

    @property
    def reads_events(self) -> bool:
        """Whether the sum of the values is not enough."""
        return any(tier.per_event_cap is not None for tier in self.tiers)

    @model_validator(mode="after")
    def _fits_the_scale_and_rises(self) -> Self:
        open_ended(self.tiers)
        for tier in self.tiers:
            _exact(tier.bps)
        return self


class BulkBps(_BpsTiers):
    """All events cost what the tier of the period's whole value says."""

    model: Literal["bulk_bps"] = Field(
        description="All events cost what the tier of the period's whole value says."
    )


class TieredBps(_BpsTiers):
    """Events walk through the tiers in their order, and may be cut at a bound."""

    model: Literal["tiered_bps"] = Field(
        description="Values walk through the tiers in event order; an event may lie in several."
    )
