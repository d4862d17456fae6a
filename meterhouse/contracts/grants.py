"""Grants of a contract: money or units that it may use up, given or bought."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import Day, Id, NonNegative, Positive, Strict, Text
from meterhouse.contracts.brief import Brief


class Every(Strict):
    """A span of time, counted in days of the contract's zone."""

    every: int = Field(1, ge=1, le=366, description="How many units it has.")
    unit: Literal["day", "week", "month", "year"] = Field(description="What is counted.")


class Rollover(Brief):
    """What a refill keeps of what is left: `min(max, max(min, what is left))`."""

    min: NonNegative | None = Field(None, description="Least that is kept; absent: 0.")
    max: NonNegative = Field(description="Most that is kept.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min is not None and self.min > self.max:
            raise ValueError("`min` of a rollover is more than its `max`")
        return self


class TopUp(Brief):
    """What is added whenever a balance has fallen to a level."""

    below: NonNegative = Field(
        description="The balance at or below which it is added, in the unit of the grant."
    )
    amount: Positive = Field(description="How much is added each time.")
    max_per_period: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="How often at most in one calendar month; a balance that is used up later in "
        "it stays as it is until the next."
    )


class Reward(Brief):
    """What has to be reached before a grant is given: on the day on which that is billed."""

    spend: Positive = Field(
        description="Amount that the contract's items cost since its start, net, in its currency."
    )
    items: tuple[Id, ...] = Field(
        (), strict=False, description="Ids of the items that count; absent: all of them."
    )


class Credit(Brief):
    """A grant: money off what is due, or units off what was used; given, or bought."""

    id: Id = Field(description="Id, unique among the items and modifiers of the contract.")
    description: Text = Field("Credit", description="Text of its invoice line.")
    amount: Positive = Field(description="Money in the contract's currency, or units.")
    unit: Literal["money", "units"] = Field("money", description="What `amount` is in.")
    kind: Literal["promo", "paid"] = Field(
        "promo",
        description="Given for nothing (before tax), or bought: its sale is a line, and money that "
        "was bought pays documents after tax.",
    )
    taxed: Literal["at_sale"] | None = Field(
        None,
        description="`at_sale`: bought money whose sale is taxed, and which pays charges before "
        "tax. Absent: bought money is taxed when it pays for something.",
    )
    unit_price: Positive | None = Field(
        None, description="What one unit was bought for, for paid units only."
    )
    priority: Annotated[int, Field(ge=0, le=1000)] = Field(
        50, description="Lower is used first; then the one that expires first."
    )
    effective: Day | None = Field(
        None,
        description="First day, on which it is granted; periods that begin earlier do not use it. "
        "Absent: the start of the contract.",
    )
    on: Literal["renewal"] | None = Field(
        None,
        description="`renewal`: granted each time the contract is renewed, instead of on a day.",
    )
    expires: Day | None = Field(
        None, description="First day after it; periods that begin later do not use it."
    )
    expires_after: Every | None = Field(
        None, description="How long it holds after it was granted, instead of `expires`."
    )
    recurs: Every | None = Field(
        None,
        description="How often it is refilled, counted from its first day: set to its amount, and "
        "what `rollover` keeps. What was bought as money is bought again and keeps its rest.",
    )
    rollover: Rollover | None = Field(
        None, description="What a refill keeps of what is left; absent: nothing."
    )
    preserve_overage: Literal[True] | None = Field(
        None, description="Whether a refill first pays what was used beyond it before."
    )
    top_up: TopUp | None = Field(
        None, description="What is added (and, if paid, bought) when little is left of it."
    )
    reward: Reward | None = Field(
        None,
        description="Granted on the day on which what reaches this is due, not on a named one.",
    )
    items: tuple[Id, ...] = Field(
        (), strict=False, description="Ids of the items it is for; absent: all of them."
    )

    @property
    def is_paid_money(self) -> bool:
        """Whether it is a means of payment."""
        return self.kind == "paid" and self.unit == "money"

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        found = [*self._date_faults(), *self._refill_faults()]
        found += [*self._trigger_faults(), *self._sale_faults()]
        if found:
            raise ValueError("; ".join(found))
        return self

    def _date_faults(self) -> Iterator[str]:
        if self.effective and self.expires and self.expires <= self.effective:
            yield f"`expires` ({self.expires}) must be later than `effective`"
        if self.expires is not None and self.expires_after is not None:
            yield "`expires` and `expires_after` say the same; keep one of them"
        begins = ("effective", "on", "reward")
        said = [name for name in begins if getattr(self, name) is not None]
        if len(said) > 1:
            yield f"{', '.join(f'`{name}`' for name in said)} each say when it is granted; keep one"

    def _refill_faults(self) -> Iterator[str]:
        if self.recurs is None:
            for name in ("rollover", "preserve_overage"):
                if getattr(self, name) is not None:
                    yield f"`{name}` says what a refill does: it needs `recurs`"
        elif self.is_paid_money:
            if self.rollover is not None or self.preserve_overage is not None:
                yield (
                    "money that was bought keeps its rest at a refill: remove `rollover` and "
                    "`preserve_overage`, or let it lapse by `expires_after`"
                )
        elif self.expires_after is not None:
            yield "a refill sets a grant anew: remove `expires_after`, or say `expires` for its end"

    def _trigger_faults(self) -> Iterator[str]:
        for name in ("top_up", "reward", "on"):
            if getattr(self, name) is not None and self.recurs is not None:
                yield f"`recurs` and `{name}` cannot be combined; use two grants"
        if self.top_up is not None and (self.expires or self.expires_after or self.is_paid_money):
            yield (
                "`top_up` is for units and promotional money that do not expire: remove it, or "
                "`expires` and `expires_after`"
            )

        if self.top_up is not None and (self.reward is not None or self.on is not None):
            yield "`top_up` is for a grant that is there from a day on; use two grants"

    def _sale_faults(self) -> Iterator[str]:
        if self.kind == "paid" and self.on is not None:
            yield "what is bought is bought on a day: say `effective` and `recurs`, not `on`"
        if self.kind == "paid" and self.unit == "units" and self.unit_price is None:
            yield "paid units need a `unit_price`, what one of them was bought for"
        elif self.unit_price is not None and (self.kind == "promo" or self.unit == "money"):
            yield (
                "`unit_price` is for paid units: promo costs nothing, and paid money is bought for "
                "its amount (give what is added for nothing as a promo credit)"
            )
        if self.is_paid_money and self.items and self.taxed is None:
            yield (
                "paid money pays whole documents, after tax: remove its `items`, or say `taxed: "
                "at_sale`"
            )
        if self.taxed is not None and not self.is_paid_money:
            yield "`taxed` is for paid money: promo is never sold, and sales of units are taxed"
        if self.taxed is not None and self.recurs is not None:
            yield "money that is taxed at its sale is bought once: use a grant for each sale"
        if self.reward is not None and (self.kind == "paid" or self.unit == "units"):
            yield "a reward is promotional money: make it `kind: promo` and `unit: money`"
