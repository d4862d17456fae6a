"""What contracts and items say with dates: cadences, series, pauses, trials, cancellations."""

from datetime import date
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import Day, Id, NonNegative, Sparing, Strict, TimeOfDay
from meterhouse.contracts.prices import Price

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
AnchorDay = Annotated[int, Field(ge=1, le=31)]


class Cadence(Strict):
    """How long a billing period is."""

    every: int = Field(ge=1, le=366, description="How many units a period has.")
    unit: Literal["day", "week", "month", "year"] = Field(description="What is counted.")


class Dated(Sparing):
    """What holds from a day on, or from a time of that day."""

    SELDOM: ClassVar[frozenset[str]] = frozenset({"time"})

    starts_on: Day = Field(alias="from", description="First day it holds.")
    time: TimeOfDay | None = Field(
        None,
        description="Local time of that day from which it holds, in contracts that count seconds; "
        "absent: when the day begins.",
    )


class QuantityFrom(Dated):
    """A quantity and the day it holds from."""

    quantity: NonNegative = Field(description="How many are charged from that day on.")


class PriceFrom(Dated):
    """A price and the day it holds from."""

    price: Price = Field(description="What the item costs from that day on.")


class Pause(Sparing):
    """Days on which nothing is charged; what was paid for them in advance is credited."""

    SELDOM: ClassVar[frozenset[str]] = frozenset({"extend"})

    starts_on: Day = Field(alias="from", description="First day of the pause.")
    until: Day | None = Field(None, description="First day after it; absent: not known yet.")
    extend: bool | None = Field(
        None,
        description="Whether the end of the contract and all that is planned for later days moves "
        "by the days of the pause; default `false`: the pause takes days of the contract away.",
    )

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.until is not None and self.until <= self.starts_on:
            raise ValueError(f"`until` ({self.until}) must be later than `from`")
        return self


class Trial(Sparing):
    """Days at the start that are not charged."""

    SELDOM: ClassVar[frozenset[str]] = frozenset({"again"})

    until: Day = Field(description="First day that is charged.")
    covers_usage: bool = Field(False, description="Whether usage is not charged either.")
    again: bool | None = Field(
        None,
        description="Whether it is given although an earlier contract of the customer had a trial "
        "of the same product or plan; default `false`: once.",
    )


class Cancellation(Strict):
    """The end of a contract before its `end`."""

    on: Day = Field(description="The day of the cancellation; see `cancel_day` of the profile.")
    effective: Literal["at_once", "period_end"] = Field(
        "at_once", description="Whether it ends on that day or with the period that holds it."
    )


class Anchor(Strict):
    """Where periods begin, other than on a day of the month."""

    weekday: Weekday | None = Field(None, description="Day on which weeks begin.")
    calendar: bool = Field(
        False,
        description="Months begin on the 1st, quarters in January, April, July and October, weeks "
        "on Monday.",
    )


class AnchorChange(Strict):
    """A new day of the month on which periods begin."""

    starts_on: Day = Field(
        alias="from",
        description="Day of the change: it takes over where the period that holds it ends.",
    )
    anchor_day: AnchorDay = Field(description="Day of the month on which periods begin then.")
    item: Id | None = Field(None, description="Id of the item it is for; absent: all.")


def rising(days: list[date], what: str) -> None:
    """Refuses entries that are not in the order of their days."""
    for first, second in pairwise(days):
        if second <= first:
            raise ValueError(f"`{what}` are not in order: {second} comes after {first}")
