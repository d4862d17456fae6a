"""What the book says of a meter: which events it reads, and how they become a quantity."""

from decimal import Decimal
from math import gcd
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import (
    Currency,
    Decimals,
    Documented,
    Fraction,
    Id,
    NonNegative,
    Positive,
    PropertyName,
    Strict,
    Text,
    places,
)
from meterhouse.catalog.filter_values import MeterFilter

Aggregation = Literal[
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "unique_count",
    "latest",
    "weighted_sum",
    "percentile",
    "prorated_sum",
    "prorated_unique_count",
    "sql",
]
# What a running level means for: it is carried into a window from all events before it.
CARRIED = {
    *("sum", "latest", "weighted_sum", "unique_count", "prorated_sum", "prorated_unique_count"),
}
UNIQUE = {"unique_count", "prorated_unique_count"}
BUCKETED = {"count", "sum", "min", "max", "latest", "unique_count"}
# Parts of a window measured by two definitions add up for these alone.
SPLITTABLE = {"count", "sum"}
ADDITIVE = {"count", "sum", "avg", "weighted_sum", "prorated_sum"}


def ratio(multiply: Decimal, divide: Decimal) -> tuple[int, int]:
    """The conversion as a fraction of whole numbers in lowest terms."""
    # exact: as_integer_ratio of decimals, reduced by multiplying crosswise.
    (a, b), (c, d) = multiply.as_integer_ratio(), divide.as_integer_ratio()
    over, under = a * d, b * c
    common = gcd(over, under)
    return over // common, under // common


class ListPrice(Strict):
    """A price of one unit outside of contracts, to estimate the value of unbilled usage."""

    currency: Currency = Field(description="Currency of the amount, ISO 4217.")
    unit_amount: NonNegative = Field(description="Amount of currency for one unit.")


class Conversion(Strict):
    """From what events say to the unit that is billed: times `multiply`, divided by `divide`."""

    multiply: Positive = Field(Decimal(1), description="Factor: '8' for bytes to bits.")
    divide: Positive = Field(Decimal(1), description="Divisor: '1073741824' for bytes to GiB.")

    @model_validator(mode="after")
    def _stays_exact(self) -> Self:
        # Quantities are kept in 128 bits: what is left of them is for the quantity itself.
        if max(ratio(self.multiply, self.divide)) >= 10**15:
            raise ValueError("`multiply` / `divide` as a fraction has more than 15 digits")
        return self


class Rounding(Strict):
    """How the quantity of a window is rounded, after its conversion and before its price."""

    places: Annotated[int, Field(ge=-9, le=12)] = Field(
        description="Decimals that are kept; negative for tens (-1), hundreds (-2) …"
    )
    mode: Literal["half_up", "ceiling", "floor"] = Field(
        "half_up", description="half_up: halves away from zero; ceiling: up; floor: down."
    )


class Meter(Documented):
    """How events become a quantity."""

    description: Text | None = Field(None, description="What is measured.")
    event_type: Id | None = Field(
        None,
        description="Id of the event type that is read; for sql the one whose late events reopen "
        "billed windows, if any.",
    )
    aggregation: Aggregation = Field(
        description="count: events; sum, min, max, avg, latest, percentile: of `property`; "
        "unique_count: its different values; weighted_sum: the level that its changes add up to, "
        "averaged over time; prorated_sum, prorated_unique_count: by the days that are left; "
        "sql: a dbt model."
    )
    property: PropertyName | None = Field(
        None, description="The property whose value is read; not for count and sql."
    )
    percentile: Fraction | None = Field(
        None, description="Which percentile: '0.95', between two values by their distance."
    )
    recurring: bool = Field(
        False, description="Whether the level at the end of a window is carried into the next."
    )
    operation: PropertyName | None = Field(
        None,
        description="Property that says `remove` where an event takes its item away; for unique "
        "counts.",
    )
    bucket: Literal["minute", "hour", "day"] | None = Field(
        None, description="The aggregation is made for each local minute, hour or day; then summed."
    )
    filter: MeterFilter = Field(
        default_factory=dict,
        description="Only events for which it holds are read: \"region in ('eu', 'us')\", or "
        "properties with the values they may have.",
    )
    dimensions: tuple[PropertyName, ...] = Field(
        (), strict=False, description="Properties by whose values the quantity is told apart."
    )
    dimension_limit: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1000, description="Most combinations of dimension values that a customer may have."
    )
    unit: Text = Field(description="Unit of the quantity: 'token', 'GiB'.")
    convert: Conversion = Field(Conversion(), description="From the property's unit to `unit`.")
    round: Rounding | None = Field(
        None, description="Rounding of the quantity of a window; absent: to `decimals`."
    )
    decimals: Decimals = Field(6, description="Decimals of the quantity (0 to 12).")
    clock: Literal["event", "received"] = Field(
        "event", description="Which time decides the window of an event: its own, or our receipt."
    )
    empty: NonNegative = Field(
        Decimal(0), description="Quantity of a window in which nothing was measured."
    )
    split: bool = Field(
        False,
        description="Whether a change of the definition inside a window holds from its day on; "
        "else the definition at the window's start holds for all of it.",
    )
    shadow_of: Id | None = Field(
        None, description="A meter beside which this one runs, to be compared and never billed."
    )
    model: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = Field(
        None, description="The dbt model, tagged `meter`, that yields the quantities; for sql."
    )
    reopen: bool = Field(
        False,
        description="Whether a change in what the model joins changes windows that were billed; "
        "for sql.",
    )
    list_price: ListPrice | None = Field(
        None, description="Price to estimate what is used but not billed."
    )

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Self:
        faults = [*_needs(self), *_carries(self), *_shapes(self)]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _needs(meter: Meter) -> list[str]:
    """Keys an aggregation needs and keys it has no use for."""
    kind = meter.aggregation
    needed = {
        "property": kind not in ("count", "sql"),
        "percentile": kind == "percentile",
        "model": kind == "sql",
    }
    faults = []
    # A SQL meter may name one all the same: late events of it reopen windows.
    if kind != "sql" and meter.event_type is None:
        faults.append(f"`event_type` is needed for aggregation {kind}")
    if kind != "sql" and meter.reopen:
        faults.append(f"`reopen` is refused for aggregation {kind}")
    for name, is_needed in needed.items():
        if is_needed != (getattr(meter, name) is not None):
            word = "is needed" if is_needed else "is refused"
            faults.append(f"`{name}` {word} for aggregation {kind}")
    if kind == "sql" and (meter.filter or meter.dimensions or meter.shadow_of):
        faults.append("`filter`, `dimensions` and `shadow_of` are refused for aggregation sql")
    return faults


def _carries(meter: Meter) -> list[str]:
    faults = []
    if meter.recurring and (meter.aggregation not in CARRIED or meter.bucket):
        faults.append("`recurring` is for levels, without `bucket`: " + ", ".join(sorted(CARRIED)))
    if meter.operation is not None and meter.aggregation not in UNIQUE:
        faults.append("`operation` is for unique_count and prorated_unique_count")
    if meter.recurring and meter.clock == "received":
        faults.append("`recurring` levels follow the time of events: remove `clock: received`")
    return faults


def _shapes(meter: Meter) -> list[str]:
    faults = []
    if meter.percentile is not None and places(meter.percentile) > 6:
        faults.append("`percentile` has more than 6 decimals")
    if meter.bucket and (meter.aggregation not in BUCKETED or meter.operation):
        faults.append("`bucket` is for " + ", ".join(sorted(BUCKETED)) + ", without `operation`")
    if meter.split and (meter.aggregation not in SPLITTABLE or meter.recurring or meter.bucket):
        faults.append("`split` is for count and sum, whose parts add up")
    repeated = {name for name in meter.dimensions if meter.dimensions.count(name) > 1}
    if repeated:
        faults.append(f"`dimensions` names {', '.join(sorted(repeated))} twice")
    if meter.round is not None and meter.round.places > meter.decimals:
        faults.append("`round.places` is greater than `decimals`")
    return faults
