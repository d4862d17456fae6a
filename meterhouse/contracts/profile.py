"""The conventions by which a contract is cut into periods and its fees into parts."""

from typing import ClassVar, Literal

from pydantic import Field

from meterhouse.catalog.fields import Sparing

Part = Literal["prorate", "full", "none"]


class Profile(Sparing):
    """Conventions of a contract or a customer; what it leaves out is taken from the next level."""

    SELDOM: ClassVar[frozenset[str]] = frozenset(
        {
            *("granularity", "day_count", "fixed_days", "factor_scale", "prorate_start"),
            *("prorate_end", "prorate_change", "prorate_quantity", "cancel_day", "grid_from"),
            *("downgrade_effect", "credit_basis", "usage_split_due", "split_tiers"),
            *("prorate_tiers", "prorate_tier_flats", "prorate_included", "prorate_package"),
            *("prorate_minimum", "prorate_maximum", "prorate_commitment"),
            *("change_anchor", "final_period"),
        }
    )

    granularity: Literal["day", "second"] | None = Field(
        None, description="What parts of a period are counted in; default `day`."
    )
    day_count: (
        Literal[
            "actual_period", "actual_calendar_month", "actual_360", "strict_30_360", "fixed_days"
        ]
        | None
    ) = Field(None, description="How days are counted; default `actual_period`.")
    fixed_days: int | None = Field(
        None, ge=1, le=31, description="Days of every month for `fixed_days`; default 30."
    )
    factor_scale: Literal["exact", "9"] | None = Field(
        None, description="Whether a part is rounded to 9 decimals first; default `exact`."
    )
    prorate_start: Part | None = Field(
        None, description="A first period that begins late: cut, whole or free; default `prorate`."
    )
    prorate_end: Part | None = Field(
        None, description="A last period that ends early; default `prorate`."
    )
    prorate_change: Part | Literal["full_with_credit"] | None = Field(
        None,
        description="A price that changes inside a period: the rest is credited and charged anew, "
        "the new price is charged in full beside the old one or after what is unused of the old "
        "one was credited (`full_with_credit`), or it waits for the next period; default "
        "`prorate`.",
    )
    prorate_quantity: Part | None = Field(
        None,
        description="A quantity that changes inside a period; `full` charges what is above the "
        "highest of the period and gives nothing back; default `prorate`.",
    )
    cancel_day: Literal["charged", "not_charged"] | None = Field(
        None, description="Whether the day of a cancellation is paid for; default `not_charged`."
    )
    grid_from: Literal["contract", "segment"] | None = Field(
        None,
        description="Whether periods are counted from the contract's start, or anew from the month "
        "in which a price changes or a pause ends; default `contract`.",
    )
    change_anchor: Literal["keep", "reset_to_change_date"] | None = Field(
        None,
        description="Whether periods keep their anchor, or begin anew on the day on which a price "
        "changes or a pause ends; default `keep`.",
    )
    final_period: Literal["prorate", "remainder_of_first"] | None = Field(
        None,
        description="What a fee costs in a last period that the agreed end cuts: its part, or what "
        "the first period, cut too, left of the price, so that a term of whole periods adds up; "
        "default `prorate`.",
    )
    downgrade_effect: Literal["end_of_period", "immediate"] | None = Field(
        None,
        description="When a fee that falls inside a period takes effect; default `immediate`.",
    )
    credit_basis: Literal["billed", "price"] | None = Field(
        None,
        description="What the unused part of a fee is a part of: the amount that was billed, or "
        "the price of a full period; default `billed`.",
    )
    usage_split_due: Literal["period_end", "at_once"] | None = Field(
        None,
        description="When usage before a change of its price is billed; default `period_end`.",
    )
    split_tiers: Literal["continue", "restart"] | None = Field(
        None,
        description="Whether tiers, packages and free units go on in the later parts of a period "
        "that a change cuts, or begin anew; default `continue`.",
    )
    prorate_tiers: bool | None = Field(
        None,
        description="Whether an incomplete period has its share of the bounds of tiers; default "
        "false.",
    )
    prorate_tier_flats: bool | None = Field(
        None, description="Whether it has its share of the flat amounts of tiers; default false."
    )
    prorate_included: bool | None = Field(
        None,
        description="Whether it has its share of included and free units, of prices (default "
        "false) and of items (default true).",
    )
    prorate_package: bool | None = Field(
        None, description="Whether packages are smaller by its share; default false."
    )
    prorate_minimum: bool | None = Field(
        None, description="Whether it has its share of the item's minimum; default true."
    )
    prorate_maximum: bool | None = Field(
        None, description="Whether it has its share of the item's maximum; default true."
    )
    prorate_commitment: bool | None = Field(
        None, description="Whether it has its share of the item's commitment; default true."
    )


DEFAULT = Profile(
    granularity="day",
    day_count="actual_period",
    fixed_days=30,
    factor_scale="exact",
    prorate_start="prorate",
    prorate_end="prorate",
    prorate_change="prorate",
    prorate_quantity="prorate",
    cancel_day="not_charged",
    grid_from="contract",
    change_anchor="keep",
    final_period="prorate",
    downgrade_effect="immediate",
    credit_basis="billed",
    usage_split_due="period_end",
    split_tiers="continue",
)


def resolved(*levels: Profile | None) -> Profile:
    """The profile of a contract: its own, then its customer's, then the default."""
    said: dict[str, object] = {}
    for level in (*levels, DEFAULT):
        given = {} if level is None else level.model_dump()
        said |= {name: value for name, value in given.items() if said.get(name) is None}
    return Profile.model_validate(said)
