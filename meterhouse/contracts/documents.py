"""What the book says of contracts; of what they charge for, see items.py."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from meterhouse.catalog.fields import (
    Currency,
    Day,
    Documented,
    Id,
    Text,
    TimeOfDay,
    Zone,
)
from meterhouse.contracts.counted_periods import Billed, period_faults
from meterhouse.contracts.invoice_days import MOST_BEFORE
from meterhouse.contracts.items import Item
from meterhouse.contracts.lifecycle import (
    Anchor,
    AnchorChange,
    Cancellation,
    Pause,
    Trial,
    rising,
)
from meterhouse.contracts.modifiers import ContractModifiers
from meterhouse.contracts.phases import Dated, Phase, Phases, phase_faults, resolved
from meterhouse.contracts.pins import Pin, PlanUse
from meterhouse.contracts.prices import Flat
from meterhouse.contracts.profile import Profile
from meterhouse.contracts.renewal import Renewal, effective_end
from meterhouse.contracts.scaling import unscalable
from meterhouse.contracts.thresholds import Thresholds


def _default_anchor(data: dict[str, Any]) -> int | None:
    """None where a trial decides: its end, or the start for who is not granted another one."""
    return None if data.get("trial") is not None else data["start"].day


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
        item.meter is None,
        frozenset(one.starts_on for one in item.quantities or ()),
        frozenset(one.starts_on for one in item.prices or ()),
        item.quantities_ever,
        (item.price, *(one.price for one in item.prices or ())),
    )


def _true_or_absent(said: bool | None) -> bool | None:
    return said or None


class Contract(Documented):
    """Who pays whom for what, and from when until when."""

    SELDOM: ClassVar[frozenset[str]] = frozenset(
        {
            *("custom", "plan", "pinned", "modifiers", "anchor", "anchor_changes", "trial"),
            *("phases", "renewal"),
            *("pauses", "cancellation", "profile", "due_after_days"),
            *("invoice_day", "invoice_before_days", "thresholds", "tax_inclusive"),
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
    thresholds: Thresholds | None = Field(
        None, description="Amounts of usage that are billed as soon as they are reached."
    )
    tax_inclusive: Annotated[bool | None, AfterValidator(_true_or_absent)] = Field(
        None,
        description="Whether all its amounts hold their taxes: what it says is what the customer "
        "pays. Of all versions of a contract alike; default false.",
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
        for item in self.items:
            for one in (*(item.quantities or ()), *(item.prices or ())):
                if one.time is not None and one.time < self.day_starts_at:
                    raise ValueError(
                        f"item {item.id!r} changes at {one.time} on {one.starts_on}, earlier than "
                        "`day_starts_at`: say the day before"
                    )
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
            for item in self.priced_items():
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
        if self.thresholds is not None:
            for fault in self.thresholds.faults(item.meter for item in self.items):
                raise ValueError(fault)
        if self.modifiers is not None:
            meters = {item.meter for item in self.items}
            ids = [item.id for item in self.items]
            for fault in self.modifiers.faults(ids, meters, self.end):
                raise ValueError(fault)
            billed = [Billed(item.id, item.cadence, item.timing) for item in self.items]
            for fault in period_faults(self.modifiers, billed):
                raise ValueError(fault)
        return self
