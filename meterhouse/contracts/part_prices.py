"""What prices may say that charge the parts of a window each by terms of their own."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from meterhouse.catalog.fields import NonNegative, PropertyName, Strict, places, printable
from meterhouse.contracts.tier_prices import (
    Bounded,
    Graduated,
    GraduatedPercentage,
    Stairstep,
    Volume,
    open_ended,
)
from meterhouse.contracts.unit_prices import Dynamic, Overage, Package, PerUnit

Inner = Annotated[
    PerUnit | Graduated | Volume | Stairstep | Package | Overage | Dynamic | GraduatedPercentage,
    Field(discriminator="model"),
]
INNER = "What these units cost, by a model that needs one quantity."


def _value(value: Any) -> Any:
    """Values of dimensions are compared as texts: true and 5 are written 'true' and '5' there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def _values(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


_ONE = {"type": ["string", "boolean", "integer"]}
KeyValue = Annotated[str, BeforeValidator(_value), AfterValidator(printable), WithJsonSchema(_ONE)]
Values = Annotated[
    tuple[KeyValue, ...],
    BeforeValidator(_values),
    Field(min_length=1, strict=False),
    WithJsonSchema({"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 1}]}),
]
Keys = Annotated[dict[PropertyName, Values], Field(min_length=1)]
Selector = dict[PropertyName, KeyValue]


class Cell(Strict):
    """Which units are in a cell and what they cost."""

    keys: Keys = Field(
        description="Dimension to value, or to a list of values of which one must hold; a "
        "dimension that is not named may have any value."
    )
    price: Inner = Field(description=INNER)


class Matrix(Strict):
    """Units are sorted into cells by the values of their dimensions; each cell has a price."""

    model: Literal["matrix"] = Field(
        description="Units are sorted into cells by their dimensions; each cell has its own price."
    )
    cells: Annotated[tuple[Cell, ...], Field(min_length=1, strict=False)] = Field(
        description="The cells; units that fit several are in the one that names most dimensions, "
        "of equals in the first. The units of a cell are added up before they are priced."
    )
    default: Inner | None = Field(
        None,
        description="What all units cost that fit no cell, added up; null: they are charged 0 and "
        "told as a step.",
    )

    @property
    def decimals(self) -> int:
        """Decimals of the finest price of one unit."""
        priced = [cell.price for cell in self.cells]
        return max(one.decimals for one in [*priced, *([self.default] if self.default else [])])

    @property
    def dimensions(self) -> frozenset[str]:
        """Names of the dimensions that its cells name."""
        return frozenset(name for cell in self.cells for name in cell.keys)

    @model_validator(mode="after")
    def _no_cell_twice(self) -> Self:
        refuse_repeated([cell.keys for cell in self.cells])
        return self


def refuse_repeated(keys: list[Keys]) -> None:
    """Refuse two cells with the same keys: the second would never be used."""
    for number, one in enumerate(keys):
        if one in keys[:number]:
            said = ", ".join(f"{name}: {'/'.join(values)}" for name, values in one.items())
            raise ValueError(f"two cells have the keys {{{said}}}; remove one of them")


class TwoDimensionalTier(Bounded):
    """A range of one quantity, and what the units of the other one cost in it."""

    price: Inner = Field(description=INNER)


class TwoDimensional(Strict):
    """One quantity picks the tier, the other one is priced in it."""

    model: Literal["two_dimensional"] = Field(
        description="One quantity picks the tier, the other one is priced by the tier's own price."
    )
    tier_by: Selector = Field(
        {},
        description="Dimension to value: units with these values pick the tier; absent: all units.",
    )
    price_by: Selector = Field(
        {}, description="Dimension to value: units with these values are priced; absent: all units."
    )
    tiers: Annotated[tuple[TwoDimensionalTier, ...], Field(min_length=1, strict=False)] = Field(
        description="The tiers with rising bounds of the first quantity; the last one is open."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the finest price of one unit."""
        return max(tier.price.decimals for tier in self.tiers)

    @property
    def dimensions(self) -> frozenset[str]:
        """Names of the dimensions that its selectors name."""
        return frozenset([*self.tier_by, *self.price_by])

    @model_validator(mode="after")
    def _bounds_rise_to_an_open_end(self) -> Self:
        open_ended(self.tiers)
        if self.tier_by == self.price_by:
            raise ValueError("`tier_by` and `price_by` name the same units; use `volume`")
        return self


class Bucketed(Strict):
    """Each bucket of the meter is priced alone."""

    model: Literal["bucketed"] = Field(
        description="Each minute, hour or day (the meter's `bucket`) is priced alone, then added."
    )
    price: Inner = Field(description=INNER)

    @property
    def decimals(self) -> int:
        """Decimals of the finest price of one unit."""
        return self.price.decimals

    @property
    def dimensions(self) -> frozenset[str]:
        """It names none."""
        return frozenset()


class Committed(Strict):
    """What a bucket costs, and what was committed for it."""

    price: Inner = Field(description=INNER)
    commitment_amount: NonNegative | None = Field(
        None, description="Amount in the contract's currency committed for each bucket."
    )
    commitment_quantity: NonNegative | None = Field(
        None, description="The same in units, valued at `price`; one of the two, or none."
    )
    overage_factor: NonNegative = Field(
        Decimal(1), description="Factor on what a bucket costs above its commitment."
    )
    true_up: bool = Field(
        False, description="Whether a bucket that costs less is lifted to its commitment."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the finest price of one unit above the commitment."""
        return self.price.decimals + places(self.overage_factor)

    @model_validator(mode="after")
    def _one_commitment(self) -> Self:
        given = [self.commitment_amount, self.commitment_quantity]
        if None not in given:
            raise ValueError("has `commitment_amount` and `commitment_quantity`; say one of them")
        if given == [None, None] and (self.true_up or self.overage_factor != 1):
            raise ValueError("`true_up` and `overage_factor` need a commitment")
        return self


class CommittedCell(Committed):
    """The terms of buckets with certain dimension values."""

    keys: Keys = Field(description="Dimension to value, or to a list of values; as in a matrix.")


class WindowedCommitment(Strict):
    """Each bucket of the meter has a commitment; what goes beyond costs a factor more."""

    model: Literal["windowed_commitment"] = Field(
        description="Each minute, hour or day (the meter's `bucket`) costs its price up to a "
        "commitment, and above it the price times a factor."
    )
    default: Committed = Field(description="Terms of all buckets that fit no cell.")
    cells: Annotated[tuple[CommittedCell, ...], Field(strict=False)] = Field(
        (), description="Terms of buckets with certain dimension values, picked as in a matrix."
    )

    @property
    def decimals(self) -> int:
        """Decimals of the finest price of one unit above a commitment."""
        return max(one.decimals for one in (self.default, *self.cells))

    @property
    def dimensions(self) -> frozenset[str]:
        """Names of the dimensions that its cells name."""
        return frozenset(name for cell in self.cells for name in cell.keys)

    @model_validator(mode="after")
    def _no_cell_twice(self) -> Self:
        refuse_repeated([cell.keys for cell in self.cells])
        return self
