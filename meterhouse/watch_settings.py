"""What `meterhouse.yaml` says about watching: when a silence or a leap of usage is worth a word.

Every default is chosen to be quiet; docs/watching.md says how to tune and how to silence.
"""

from decimal import Decimal
from typing import Annotated, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from meterhouse.source_settings import Strict

Days = Annotated[int, Field(ge=1, le=3660)]
Factor = Annotated[Decimal, Field(ge=1, le=9999, decimal_places=2)]
T = TypeVar("T", bound=Strict)


class SourceWatch(Strict):
    """What is said of one source only."""

    expected_every_days: Days | None = Field(
        default=None, description="Days from one day with events to the next; absent: learnt."
    )


class Lateness(Strict):
    """How the usual gap between two days with events is learnt from a source's own history."""

    gap_factor: int = Field(default=3, ge=1, le=100, description="Times the median gap.")
    least_gap_days: Days = Field(default=2, description="No usual gap is shorter.")
    learn_from_days: Days = Field(default=7, description="Days with events before it is judged.")


class Drop(Strict):
    """Usage that was regular and is no more."""

    used_days: Days = Field(default=10, description="Regular: used on so many days …")
    of_days: Days = Field(default=28, description="… of so many that end with the last used one.")
    quiet_days: Days = Field(default=7, description="Days without usage before it is told.")
    told_days: Days = Field(default=45, description="After so many it is told no more.")

    @model_validator(mode="after")
    def days_fit(self) -> Self:
        """Refuse thresholds that nothing could ever meet."""
        if self.used_days > self.of_days:
            raise ValueError("`used_days` cannot be more than `of_days`")
        if self.quiet_days > self.told_days:
            raise ValueError("`quiet_days` cannot be more than `told_days`")
        return self


class Spike(Strict):
    """A day of usage far above the days before it."""

    factor: Factor = Field(default=Decimal(10), description="Times the median of the used days.")
    peak_factor: Factor = Field(default=Decimal(2), description="Times the highest of them.")
    above: Decimal = Field(
        default=Decimal(1000), ge=0, lt=Decimal(10**26), decimal_places=12,
        description="In the meter's unit; days up to this are never told.",
    )  # fmt: skip
    used_days: Days = Field(default=7, description="Judged only after so many used days …")
    of_days: Days = Field(default=28, description="… of so many before the day.")
    told_days: Days = Field(default=31, description="Days that are looked at, the last ones.")

    @model_validator(mode="after")
    def days_fit(self) -> Self:
        """Refuse thresholds that nothing could ever meet."""
        if self.used_days > self.of_days:
            raise ValueError("`used_days` cannot be more than `of_days`")
        return self


class MeterWatch(Strict):
    """What is said of one meter only; what is absent is as for all."""

    drop: Drop | None = None
    spike: Spike | None = None


class Ignore(Strict):
    """What is not watched at all."""

    sources: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    meters: tuple[str, ...] = ()


class Watch(Strict):
    """Section `watch` of `meterhouse.yaml`."""

    late: Lateness = Lateness()
    drop: Drop = Drop()
    spike: Spike = Spike()
    new_customer_days: int = Field(
        default=35, ge=0, le=3660, description="History a customer needs before usage is judged."
    )
    sources: dict[str, SourceWatch] = Field(default={})
    meters: dict[str, MeterWatch] = Field(default={})
    ignore: Ignore = Ignore()

    @model_validator(mode="after")
    def meters_fit(self) -> Self:
        """Refuse a meter whose own thresholds do not go with those for all."""
        for meter_id in self.meters:
            try:
                self.drop_of(meter_id), self.spike_of(meter_id)
            except ValidationError as error:
                raise ValueError(f"meter {meter_id}: {error.errors()[0]['msg']}") from error
        return self

    def drop_of(self, meter_id: str) -> Drop:
        """The thresholds of a drop for one meter."""
        return _with(self.drop, self.meters.get(meter_id, MeterWatch()).drop)

    def spike_of(self, meter_id: str) -> Spike:
        """The thresholds of a spike for one meter."""
        return _with(self.spike, self.meters.get(meter_id, MeterWatch()).spike)


def _with(general: T, own: T | None) -> T:
    """The general values with those that the own ones name; checked again as a whole."""
    if own is None:
        return general
    return type(general).model_validate(
        {**general.model_dump(), **own.model_dump(exclude_unset=True)}
    )
