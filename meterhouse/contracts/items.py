"""What a contract charges for: one item of it, a fee or usage."""

from decimal import Decimal
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import (
    Day,
    Id,
    NonNegative,
    PropertyName,
    Sparing,
    Strict,
    Text,
)
from meterhouse.contracts.fee_prices import FEE_PLACES, fee_decimals, not_for_fees
from meterhouse.contracts.lifecycle import Cadence, PriceFrom, QuantityFrom, rising
from meterhouse.contracts.modifiers import ItemModifiers
from meterhouse.contracts.pooling import UsageOf, twice
from meterhouse.contracts.prices import Flat, Price


class Prorate(Strict):
    """Whether a fee is cut to the days of an incomplete period."""

    start: bool = Field(True, description="Cut in the first period, when it begins late.")
    end: bool = Field(True, description="Cut in the last period, when it ends early.")


def _default_timing(data: dict[str, Any]) -> Literal["advance", "arrears"]:
    # What is not valid itself is not there; its own fault is told then.
    has_meter = data.get("meter") is not None
    is_fee = isinstance(data.get("price"), Flat) or data.get("quantity") is not None
    return "advance" if is_fee and not has_meter else "arrears"


def _default_quantity(data: dict[str, Any]) -> Decimal | None:
    return Decimal(1) if isinstance(data.get("price"), Flat) else None


class Item(Sparing):
    """One thing a contract charges for."""

    SELDOM: ClassVar[frozenset[str]] = frozenset(
        {
            *("product", "list_price", "from_plan", "modifiers"),
            *("starts_on", "from", "until", "quantities", "prices", "usage_of", "tax_category"),
        }
    )

    id: Id = Field(description="Id of the item, unique in its contract.")
    description: Text = Field(description="Text of the invoice line.")
    price: Price = Field(description="What it costs; `model` says how.")
    cadence: Literal["daily", "weekly", "monthly", "quarterly", "yearly"] | Cadence = Field(
        "monthly", description="Length of a billing period, by its name or as a count of units."
    )
    starts_on: Day | None = Field(
        None, alias="from", description="First day it is charged; absent: that of the contract."
    )
    until: Day | None = Field(
        None, description="First day it is no longer charged; what was paid for it is credited."
    )
    quantities: tuple[QuantityFrom, ...] | None = Field(
        None, strict=False, description="Later quantities, for fees, in the order of days."
    )
    prices: tuple[PriceFrom, ...] | None = Field(
        None, strict=False, description="Later prices, in the order of days."
    )
    meter: Id | None = Field(
        None, description="Id of the meter that gives the quantity; for usage prices only."
    )
    shared: bool = Field(
        False,
        description="Whether other items of the customer may read the same meter on the same days: "
        "its usage is charged by each of them.",
    )
    usage_of: UsageOf | None = Field(
        None,
        description="Whose usage counts together, for usage prices: `children` (the customer and "
        "all below it), or a list of customers; absent: that of the customer alone.",
    )
    quantity: NonNegative | None = Field(
        default_factory=_default_quantity,
        description="How many are charged, for fees (items without a meter); default '1' if flat.",
    )
    timing: Literal["advance", "arrears"] = Field(
        default_factory=_default_timing,
        description="Billed at the start or the end of a period: fees in advance unless they say "
        "otherwise, usage always in arrears.",
    )
    prorate: Prorate = Field(Prorate(), description="How a fee is cut in incomplete periods.")
    modifiers: ItemModifiers | None = Field(
        None, description="What changes its quantity before the price and its amount after it."
    )
    product: Id | None = Field(
        None,
        description="Id of the product; what the item does not say (description, meter, price) is "
        "taken from it.",
    )
    tax_category: PropertyName | None = Field(
        None, description="Category that tax rules go by; absent: that of its product."
    )
    list_price: Id | None = Field(
        None, description="Id of the price that `price` was taken from; filled in when recorded."
    )
    from_plan: Id | None = Field(
        None, description="Id of the plan that the item comes from; filled in when recorded."
    )

    @model_validator(mode="after")
    def _fee_or_usage(self) -> Self:
        if isinstance(self.price, Flat) and (self.meter is not None or self.quantity is None):
            raise ValueError("a flat price has a `quantity` and no `meter`")
        if self.meter is None:
            self._refuse_as_fee()
        elif self.quantity is not None:
            raise ValueError(
                "usage has a `meter` and no `quantity` of its own, a fee a `quantity` and no "
                "`meter`: remove one of them"
            )
        elif self.timing != "arrears":
            raise ValueError("usage is billed in arrears: remove `timing` or say `arrears`")
        return self

    def _refuse_as_fee(self) -> None:
        if self.quantity is None:
            raise ValueError(
                "a usage price needs a `meter`, and a fee for a fixed number the `quantity`"
            )
        for price in (self.price, *(one.price for one in self.prices or ())):
            reason = not_for_fees(price)
            if reason is not None:
                raise ValueError(f"it has a `quantity` and no `meter`, and {reason}")
            decimals = fee_decimals(self.quantities_ever, price)
            if decimals > FEE_PLACES:
                raise ValueError(
                    f"its quantity and its {price.model} price have {decimals} decimals together; "
                    f"parts of a fee are exact with at most {FEE_PLACES}"
                )

    @property
    def quantities_ever(self) -> tuple[Decimal, ...]:
        """The quantities of a fee, the first and all later ones."""
        first = () if self.quantity is None else (self.quantity,)
        return (*first, *(one.quantity for one in self.quantities or ()))

    @model_validator(mode="after")
    def _series_hold(self) -> Self:
        rising([one.starts_on for one in self.quantities or ()], "quantities")
        rising([one.starts_on for one in self.prices or ()], "prices")
        if self.quantities and self.quantity is None:
            raise ValueError("`quantities` are for fees; this one reads a meter")
        if self.meter is not None and any(isinstance(p.price, Flat) for p in self.prices or ()):
            raise ValueError("`prices` turn usage into a fee; end the item and begin another")
        if self.until is not None and self.starts_on is not None and self.until <= self.starts_on:
            raise ValueError(f"`until` ({self.until}) must be later than `from`")
        return self

    @model_validator(mode="after")
    def _usage_is_pooled_once(self) -> Self:
        if self.usage_of is not None:
            if self.meter is None:
                raise ValueError("`usage_of` says whose usage a meter counts; this item has none")
            for id in twice(self.usage_of):
                raise ValueError(f"`usage_of` names customer {id!r} twice for the same days")
        return self

    @model_validator(mode="after")
    def _quantity_can_be_changed(self) -> Self:
        if self.modifiers is None or not self.modifiers.changes_quantity:
            return self
        # Prices of parts name the dimensions that they read, if any.
        has_parts = hasattr(self.price, "dimensions")
        if self.meter is None or has_parts or getattr(self.price, "reads_events", False):
            raise ValueError(
                "`convert`, `free_quantity` and `included_quantity` change the quantity of a "
                "meter; this price has none, or reads single events or other parts of it (it has "
                "allowances of its own, or tiers whose first units cost nothing)"
            )
        return self
