"""The service fee of a contract: what is added at the end, and for which periods."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import Fraction, Id, NonNegative, Text
from meterhouse.contracts.brief import Brief


class ServiceFee(Brief):
    """What is added at the end, before tax."""

    id: Id = Field("service_fee", description="Id, unique among items and modifiers.")
    description: Text = Field("Service fee", description="Text of its invoice line.")
    percentage: Fraction | None = Field(None, description="Share of the net: '0.05' is 5 %.")
    amount: NonNegative | None = Field(
        None, description="Amount in the contract's currency for each full period."
    )
    period: Literal["month", "quarter", "year"] | None = Field(
        None,
        description="The period of `amount`, `cap` and `minimum`, from the start of the contract "
        "on; absent: the period of its items, which must be the same for all of them.",
    )
    cap: NonNegative | None = Field(
        None, description="Most that a percentage comes to in one full period."
    )
    minimum: NonNegative | None = Field(
        None,
        description="Least that a percentage comes to in one full period; what is short of it is "
        "charged when the period is over.",
    )
    prorate: bool | None = Field(
        None,
        description="Whether an incomplete period has its share of `amount`, `cap` and `minimum`, "
        "as the profile counts it; default true.",
    )

    @property
    def is_of_a_period(self) -> bool:
        """Whether it says something that is for a period."""
        return any(one is not None for one in (self.amount, self.cap, self.minimum))

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.percentage is None) == (self.amount is None):
            raise ValueError("a service fee has either a `percentage` or an `amount`")
        found = list(self._limit_faults())
        if found:
            raise ValueError("; ".join(found))
        return self

    def _limit_faults(self) -> Iterator[str]:
        limits = [name for name in ("cap", "minimum") if getattr(self, name) is not None]
        if self.amount is not None and limits:
            yield (
                f"a service fee of a fixed `amount` costs that in every period: remove its "
                f"{' and '.join(f'`{name}`' for name in limits)}, or give a `percentage`"
            )
        if self.cap is not None and self.minimum is not None and self.minimum > self.cap:
            yield "`minimum` of a service fee is more than its `cap`"
        for name in ("period", "prorate"):
            if getattr(self, name) is not None and not self.is_of_a_period:
                yield (
                    f"`{name}` of a service fee is about its `amount`, `cap` or `minimum`, and it "
                    f"has none of them: remove `{name}`"
                )
