"""What a timeline case says, as items of a contract and what becomes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from meterhouse.canonical import canonical_json
from meterhouse.periods import boundary, zone_info
from tests.conformance.readings import plainly, refuse_unknown
from tests.conformance.vectors import NotSupported

DAY = timedelta(days=1)
UNITS = {"day": "day", "week": "week", "month": "month", "year": "year"}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORDS = {
    "annual": (1, "year"),
    "yearly": (1, "year"),
    "quarterly": (3, "month"),
    "monthly": (1, "month"),
    "weekly": (1, "week"),
    "biennial": (2, "year"),
}
_PLAN = {
    *("name", "price", "billing_period", "billing", "anchor_day", "anchor_weekday", "unit"),
    *("prorated", "trial", "fixed_charges_in_arrears", "quantity", "one_time", "price_per_1000"),
    *("amount", "carries_over", "prorated_by_day"),
}


@dataclass(frozen=True)
class Item:
    """A fee or usage of the case; `until_on` cuts it off, `planned_until` was known before."""

    id: str
    name: str
    price: Mapping[str, Any]
    timing: str = "advance"
    cadence: tuple[int, str] = (1, "month")
    quantity: Decimal | None = Decimal(1)
    from_on: date | None = None
    until_on: date | None = None
    planned_until: date | None = None
    anchored_on: date | None = None
    prorate: bool = True
    prices: tuple[tuple[date, Mapping[str, Any]], ...] = ()
    quantities: tuple[tuple[date, Decimal], ...] = ()
    plan: int = 0

    @property
    def is_fee(self) -> bool:
        return self.quantity is not None


@dataclass
class Terms:
    """The contract of a case as it is known at one time."""

    start: date
    items: list[Item]
    end: date | None = None
    anchor_day: int | None = None
    weekday: int | None = None
    is_calendar: bool = False
    trial_until: date | None = None
    cancel_on: date | None = None
    cancel_due: date | None = None
    start_seconds: int = 0
    day_seconds: int = 0
    anchored_on: date | None = None
    pauses: list[tuple[date, date | None]] = field(default_factory=list)
    anchors: list[tuple[str | None, date, int]] = field(default_factory=list)
    # Seconds after midnight at which changes of a day take effect, where seconds are counted.
    times: dict[date, int] = field(default_factory=dict)


def span(text: str) -> tuple[int, str]:
    """A length in words: `3 months`, `30 days`, or a word such as `quarterly`."""
    if text in _WORDS:
        return _WORDS[text]
    count, _, unit = text.partition(" ")
    unit = unit.split(" ")[0].rstrip("s")
    if not count.isdigit() or unit not in UNITS:
        raise NotSupported(f"a length of {text}")
    return int(count), unit


def later(day: date, length: tuple[int, str]) -> date:
    """The day that lies a length after another."""
    count, unit = length
    if unit in ("day", "week"):
        return day + timedelta(days=count * (7 if unit == "week" else 1))
    return boundary(day, day.day, count * (12 if unit == "year" else 1))


def local_day(told: Mapping[str, Any], zone: str, name: str) -> date | None:
    """A day of the case, or that of its instant in its zone; None where it says neither."""
    if told.get(name):
        return date.fromisoformat(told[name][:10])
    key = "instant" if name == "date" else f"{name}_instant"
    if told.get(key) is None:
        return None
    return datetime.fromisoformat(told[key]).astimezone(zone_info(zone)).date()


def flat(amount: str) -> dict[str, Any]:
    return {"amount": plainly(amount), "model": "flat"}


def price_of(plan: Mapping[str, Any], *, is_fee: bool) -> dict[str, Any]:
    told = plan.get("price", plan.get("amount"))
    if is_fee:
        return flat(told or "0")
    if plan.get("price_per_1000") is not None:
        return {"model": "per_unit", "per": "1000", "unit_amount": plan["price_per_1000"]}
    return {"model": "per_unit", "per": "1", "unit_amount": plainly(told or "0")}


def items_of_plan(number: int, plan: Mapping[str, Any], given: Mapping[str, Any]) -> list[Item]:
    """The items of one plan of the case."""
    refuse_unknown("plan field", plan, _PLAN)
    usage = plan.get("billing") == "in_arrears" and not plan.get("billing_period")
    is_fee = not usage and "price_per_1000" not in plan
    name = str(plan.get("name", "item"))
    quantity = Decimal(plan.get("quantity", given.get("contract", {}).get("quantity", "1")))
    quantity = Decimal(given.get("contract", {}).get("quantities", {}).get(name, quantity))
    item = Item(
        f"{number}-{name}",
        name,
        price_of(plan, is_fee=is_fee),
        "arrears" if plan.get("billing") == "in_arrears" else "advance",
        span(plan.get("billing_period", "1 month")),
        quantity if is_fee else None,
        prorate=plan.get("prorated", True),
        plan=number,
    )
    more = [
        Item(
            f"{number}-{one['name']}",
            one["name"],
            flat(one["price"]),
            "arrears",
            item.cadence,
            Decimal(one.get("quantity", "1")),
            plan=number,
        )
        for one in plan.get("fixed_charges_in_arrears", ())
    ]
    return [*more] if more else [item]


def of_period(item: Item, given: Mapping[str, Any]) -> Item:
    """A month that is told by its days is that many days long."""
    if "period" not in given or item.cadence != (1, "month"):
        return item
    start, end = (date.fromisoformat(given["period"][name]) for name in ("start", "end"))
    return replace(item, cadence=((end - start).days, "day"))


def seconds_of(instant: str) -> int:
    """Seconds after midnight UTC of an instant."""
    at = datetime.fromisoformat(instant).astimezone(UTC)
    return at.hour * 3600 + at.minute * 60 + at.second


def canonical(price: Mapping[str, Any]) -> str:
    return canonical_json(dict(price))
