"""What a contract says of amounts of usage that are billed as soon as they are reached."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import Positive
from meterhouse.contracts.brief import Brief


class Thresholds(Brief):
    """Amounts of all usage of the contract since it began, before discounts and tax.

    Reaching one bills the usage of the periods that are not over yet, as far as it is known; what
    follows is billed at the next threshold, or when the period is.
    """

    amounts: tuple[Positive, ...] = Field(
        (), strict=False, description="Amounts that are billed at once when reached, rising."
    )
    every: Positive | None = Field(
        None, description="Step after the highest of `amounts` (or from 0), again and again."
    )

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if not self.amounts and self.every is None:
            raise ValueError("`thresholds` need `amounts`, `every` or both")
        for one, other in pairwise(self.amounts):
            if other <= one:
                raise ValueError(f"`amounts` of thresholds must rise: {other} comes after {one}")
        return self

    def faults(self, meters: Iterator[str | None]) -> Iterator[str]:
        """What does not fit a contract whose items read these meters."""
        if not any(meter is not None for meter in meters):
            yield "`thresholds` look at usage, and none of its items reads a meter: remove them"
