"""What the book says of contracts and their items."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from meterhouse.catalog.fields import (
    Currency,
    Day,
    Documented,
    Id,
    NonNegative,
    Sparing,
    Strict,
    Text,
    TimeOfDay,
    Zone,
)
from meterhouse.contracts.fee_prices import FEE_PLACES, fee_decimals, not_for_fees
from meterhouse.contracts.invoice_days import MOST_BEFORE
from meterhouse.contracts.lifecycle import (
    Anchor,
    AnchorChange,
    Cadence,
    Cancellation,
    Pause,
    PriceFrom,
    QuantityFrom,
    Trial,
    rising,
)
from meterhouse.contracts.modifiers import ContractMinimum, ContractModifiers, ItemModifiers
from meterhouse.contracts.phases import Dated, Phase, Phases, phase_faults, resolved
from meterhouse.contracts.pins import Pin, PlanUse
from meterhouse.contracts.pooling import UsageOf, twice
from meterhouse.contracts.prices import Flat, Price
from meterhouse.contracts.profile import Profile
from meterhouse.contracts.renewal import Renewal, effective_end
from meterhouse.contracts.scaling import unscalable


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


def _default_anchor(data: dict[str, Any]) -> int | None:
    """None where a trial decides: its end, or the start for who is not granted another one."""
    return None if data.get("trial") is not None else data["start"].day


class Item(Sparing):
    """One thing a contract charges for."""

    SELDOM: ClassVar[frozenset[str]] = frozenset(
        {
            *("product", "list_price", "from_plan", "modifiers"),
            *("starts_on", "from", "until", "quantities", "prices", "usage_of"),
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


def _repeated_ids(items: tuple[Item, ...]) -> list[str]:
    return sorted(id for id, count in Counter(item.id for item in items).items() if count > 1)


def _overlap(pauses: Sequence[Pause]) -> Iterator[bool]:
    for first, second in pairwise(pauses):
        yield first.until is None or second.starts_on < first.until


def _with_days(told: tuple[Phase, ...], info: ValidationInfo) -> tuple[Phase, ...]:
    # A faulty start is told elsewhere.
    return resolved(told, info.data["start"]) if "start" in info.data else told


def _dated(item: Item) -> Dated:
    return Dated(
        isinstance(item.price, Flat),
        frozenset(one.starts_on for one in item.quantities or ()),
        frozenset(one.starts_on for one in item.prices or ()),
    )


_MONTHS = {"daily": 0, "weekly": 0, "monthly": 1, "quarterly": 3, "yearly": 12}
_UNIT_MONTHS = {"day": 0, "week": 0, "month": 1, "year": 12}
_SPAN_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def _months(cadence: str | Cadence) -> int:
    """Months of a billing period; 0 for days and weeks."""
    if isinstance(cadence, str):
        return _MONTHS[cadence]
    return cadence.every * _UNIT_MONTHS[cadence.unit]


def _refuse_minimum(minimum: ContractMinimum, items: tuple[Item, ...]) -> None:
    """Refuses a minimum of which nobody could say for how long it is, or that is over too early."""
    if minimum.period is None:
        if len({str(item.cadence) for item in items}) > 1:
            raise ValueError(
                "a `minimum` of a contract is for one period, and its items have several "
                "cadences: give it a `period` (month, quarter or year)"
            )
        return
    long = [
        item.id
        for item in items
        if item.timing == "arrears" and _months(item.cadence) > _SPAN_MONTHS[minimum.period]
    ]
    if long:
        raise ValueError(
            f"its `minimum` is for a {minimum.period}, and what is billed in arrears for longer "
            f"periods is not known when that is over: {', '.join(long)}; give it a longer `period`"
        )


class Contract(Documented):
    """Who pays whom for what, and from when until when."""

    SELDOM: ClassVar[frozenset[str]] = frozenset(
        {
            *("custom", "plan", "pinned", "modifiers", "anchor", "anchor_changes", "trial"),
            *("phases", "renewal"),
            *("pauses", "cancellation", "profile", "due_after_days"),
            *("invoice_day", "invoice_before_days"),
        }
    )

    customer: Id = Field(description="Id of the customer whose usage and fees are charged.")
    payer: Id = Field(
        default_factory=lambda data: data["customer"],
        description="Id of the customer who gets the invoice; default: `customer`.",
    )
    entity: Id = Field(description="Id of the entity that sells.")
    currency: Currency = Field(
        description="Currency of all prices, ISO 4217; equal to the entity's base currency."
    )
    zone: Zone = Field(description="Time zone in which its days begin, IANA.")
    start: Day = Field(description="First day of the contract, a day in `zone`.")
    end: Day | None = Field(
        None, description="First day that is no longer in the contract; absent: open."
    )
    day_starts_at: TimeOfDay = Field(
        "00:00", description="Local time at which its days, and so its windows, begin."
    )
    start_time: TimeOfDay | None = Field(
        None, description="Local time of `start` at which it begins; absent: `day_starts_at`."
    )
    end_time: TimeOfDay | None = Field(
        None, description="Local time of `end` at which it ends; absent: `day_starts_at`."
    )
    trial: Trial | None = Field(None, description="Days at the start that cost nothing.")
    anchor_day: Annotated[int, Field(ge=1, le=31)] | None = Field(
        default_factory=_default_anchor,
        description="Day of the month on which periods begin; default: the day of `start`, or of "
        "the trial's end.",
    )
    payment_terms: Id = Field(description="Id of the payment terms.")
    plan: PlanUse | None = Field(
        None, description="The plan whose items it has, and where it differs; or only its id."
    )
    items: tuple[Item, ...] = Field(
        (),
        strict=False,
        description="What is charged, beside the items of the plan; at least one item in all.",
    )
    pinned: tuple[Pin, ...] | None = Field(
        None,
        strict=False,
        description="Versions of plan, products and prices that its items were made of; filled in "
        "when recorded, and kept until the contract names others.",
    )
    modifiers: ContractModifiers | None = Field(
        None, description="What changes quantities and amounts of the contract as a whole."
    )
    anchor: Anchor | None = Field(
        None, description="Where periods begin, if not on `anchor_day` of the month."
    )
    anchor_changes: tuple[AnchorChange, ...] | None = Field(
        None, strict=False, description="Later days of the month, in the order of days."
    )
    pauses: tuple[Pause, ...] | None = Field(
        None, strict=False, description="Days on which nothing is charged, in order."
    )
    cancellation: Cancellation | None = Field(None, description="An end before `end`.")
    phases: Annotated[Phases, AfterValidator(_with_days)] | None = Field(
        None, description="Planned parts of its life with terms of their own, in order."
    )
    renewal: Renewal | None = Field(
        None, description="What happens at `end`; absent: the contract ends."
    )
    due_after_days: Annotated[int, Field(ge=0, le=366)] | None = Field(
        None, description="Days after its boundary on which a line is billed; default 0."
    )
    invoice_day: Annotated[int, Field(ge=1, le=31)] | None = Field(
        None,
        description="Day of the month, in `zone`, on which all that fell due since is billed, the "
        "last one in shorter months; absent: on its own day.",
    )
    invoice_before_days: Annotated[int, Field(ge=0, le=MOST_BEFORE)] | None = Field(
        None,
        description="Days before its period on which a fee in advance is billed, but for first "
        "periods and changes; default 0.",
    )
    profile: Profile | None = Field(
        None, description="How it is prorated and anchored, where it differs from the default."
    )
    purchase_order: Text | None = Field(
        None, description="The payer's order number, printed on invoices."
    )

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if not self.items:
            raise ValueError("`items` must not be empty: a contract has at least 1 item")
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"`end` ({self.end}) must be later than `start` ({self.start})")
        if self.start_time is not None and self.start_time < self.day_starts_at:
            raise ValueError("`start_time` is earlier than `day_starts_at`; begin a day before")
        if self.end_time is not None and self.end_time < self.day_starts_at:
            raise ValueError("`end_time` is earlier than `day_starts_at`; end a day before")
        if self.end_time is not None and self.end is None:
            raise ValueError("`end_time` is the time of `end`, which is missing")
        repeated = _repeated_ids(self.items)
        if repeated:
            raise ValueError(f"item ids are used more than once: {', '.join(repeated)}")
        return self

    @model_validator(mode="after")
    def _lifecycle_fits(self) -> Self:
        rising([one.starts_on for one in self.anchor_changes or ()], "anchor_changes")
        rising([one.starts_on for one in self.pauses or ()], "pauses")
        if self.trial is not None and self.trial.until <= self.start:
            raise ValueError(f"`trial` ends ({self.trial.until}) before the contract starts")
        if self.cancellation is not None and self.cancellation.on < self.start:
            raise ValueError("`cancellation` is before `start`: remove the contract's items")
        return self

    @model_validator(mode="after")
    def _plans_fit(self) -> Self:
        told = self.phases or ()
        items = {item.id: _dated(item) for item in self.items}
        found = list(phase_faults(told, self.start, self.end, items))
        if found:
            raise ValueError("; ".join(found))
        if self.trial is not None and any(one.free for one in told):
            raise ValueError("`trial` and a phase that is `free` say the same; keep one of them")
        if any(one.reanchor for one in told) and (self.anchor is not None or self.anchor_changes):
            raise ValueError(
                "a phase with `reanchor` counts periods from its first day, and `anchor` or "
                "`anchor_changes` count them from others; keep one of them"
            )
        if self.renewal is not None and self.renewal.kind == "uplift":
            for item in self.items:
                reason = None if isinstance(item.price, Flat) else unscalable(item.price)
                if reason is not None:
                    raise ValueError(f"item {item.id!r} cannot be raised at a renewal: {reason}")
        if self.renewal is not None and self.end is None:
            raise ValueError("`renewal` says what happens at `end`, which is missing")
        extended = [one for one in self.pauses or () if one.extend]
        if extended and any(_overlap(self.pauses or ())):
            raise ValueError("`pauses` overlap, and one has `extend`: its days would count twice")
        return self

    def priced_items(self) -> Iterator[Item]:
        """Each item once for every price that it has: its own, dated ones, those of phases."""
        for item in self.items:
            yield item
            dated = [one.price for one in item.prices or ()]
            told = [one.items.get(item.id) for one in self.phases or ()]
            planned = [one.price for one in told if one is not None and one.price is not None]
            for price in (*dated, *planned):
                yield item.model_copy(update={"price": price})

    @property
    def effective_end(self) -> date | None:
        """First day after it, with renewals and pauses that extend it; None: it goes on."""
        return effective_end(self.start, self.end, self.renewal, self.pauses or ())

    @model_validator(mode="after")
    def _modifiers_fit(self) -> Self:
        if self.modifiers is not None:
            meters = {item.meter for item in self.items}
            ids = [item.id for item in self.items]
            for fault in self.modifiers.faults(ids, meters, self.end):
                raise ValueError(fault)
            if self.modifiers.minimum is not None:
                _refuse_minimum(self.modifiers.minimum, self.items)
        return self
