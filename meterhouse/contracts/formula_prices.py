"""What a price by formula may say."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from meterhouse.catalog.fields import NonNegative, PropertyName, Strict
from meterhouse.contracts.part_prices import Selector
from meterhouse.nearest import did_you_mean, known_names
from meterhouse.pricing.formula import QUANTITY
from meterhouse.pricing.formula_reading import read
from meterhouse.pricing.formula_tree import RESERVED, names


def _readable(text: str) -> str:
    """The formula on one line, if it can be read."""
    read(text)
    return " ".join(text.split())


class Formula(Strict):
    """An amount as a text in a small, safe language."""

    model: Literal["formula"] = Field(
        description="The amount is what a formula says of quantities and constants; see "
        "docs/formulas.md."
    )
    formula: Annotated[str, AfterValidator(_readable)] = Field(
        description="if(quantity > included, (quantity - included) * rate, 0); below 0 counts as 0."
    )
    constants: dict[PropertyName, NonNegative] = Field(
        {}, description="Names in the formula that are numbers of this price."
    )
    quantities: dict[PropertyName, Selector] = Field(
        {},
        description="Names in the formula that are units with certain dimension values: name to a "
        "mapping of dimension to value. `quantity` is the sum of all units.",
    )

    @property
    def decimals(self) -> int:
        """None: what a formula gives is kept at 18 decimals after each product and quotient."""
        return 0

    @property
    def dimensions(self) -> frozenset[str]:
        """Names of the dimensions that its quantities name."""
        return frozenset(name for one in self.quantities.values() for name in one)

    @model_validator(mode="after")
    def _names_what_there_is(self) -> Self:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        given = [*self.constants, *self.quantities]
        known, used = {QUANTITY, *given}, set(names(read(self.formula)))
        for name in sorted(used - known):
            hint = did_you_mean(name, known) or f"; there are {known_names(known)}"
            yield f"the formula reads `{name}`, which is no constant and no quantity{hint}"
        for name in sorted({*given} - used):
            yield f"`{name}` is not in the formula; remove it, or use it"
        for name in sorted({*given} & {QUANTITY, *RESERVED}):
            yield f"`{name}` has a meaning of its own in formulas; give it another name"
        for name in sorted(self.constants.keys() & self.quantities.keys()):
            yield f"`{name}` is a constant and a quantity; give one of them another name"
