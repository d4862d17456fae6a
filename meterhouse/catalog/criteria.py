"""What must be true before the old system is left: success criteria of a pilot."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import Documented, NonNegative, Text

BY_HAND = "by_hand"
# Measures that are counted, and whether a result may be at most or must be at least the target.
MEASURES = {
    "unexplained_amount": "at_most",
    "difference_amount": "at_most",
    "documents_kept_out": "at_most",
    "months_signed_off": "at_least",
}
Measure = Literal[
    "by_hand",
    "unexplained_amount",
    "difference_amount",
    "documents_kept_out",
    "months_signed_off",
]


class Criterion(Documented):
    """One success criterion of a pilot; what came of it is in `meterhouse pilot report`."""

    SELDOM: ClassVar[frozenset[str]] = Documented.SELDOM | {"target"}

    criterion: Text = Field(description="What must be true, in words.")
    measure: Measure = Field(
        description="How it is measured: by_hand (a person records the result), or from the "
        "recorded comparisons: unexplained_amount and difference_amount (largest of any currency), "
        "documents_kept_out, months_signed_off."
    )
    target: NonNegative | None = Field(
        None,
        description="At most this, of months_signed_off at least; a decimal. Not with by_hand.",
    )
    owner: Text = Field(description="Who answers for it.")

    @model_validator(mode="after")
    def _target_of_what_is_counted(self) -> Self:
        if (self.measure == BY_HAND) != (self.target is None):
            raise ValueError("`target` is needed for what is counted and refused with by_hand")
        return self
