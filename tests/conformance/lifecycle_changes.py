"""What becomes of a contract of a case: one change after the other."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from tests.conformance.lifecycle_terms import (
    DAY,
    Item,
    Terms,
    flat,
    items_of_plan,
    local_day,
    of_period,
    price_of,
    seconds_of,
    span,
)
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported

_CHANGE = {
    *("date", "instant", "type", "to", "from", "item", "anchor", "effective", "recorded"),
    *("unused", "plan"),
}
_ENDS = ("cancel", "cancel_immediate", "terminate")


def changed(
    terms: Terms, change: Mapping[str, Any], case: Mapping[str, Any], profile: Mapping[str, Any]
) -> None:
    """The terms with one more change."""
    refuse_unknown("change field", change, _CHANGE)
    on = local_day(change, case.get("timezone") or "UTC", "date")
    if on is None:
        raise NotSupported("a change without a date")
    kind = change["type"]
    if profile.get("granularity") == "second" and change.get("instant"):
        terms.times[on] = seconds_of(change["instant"])
    if kind in _ENDS:
        is_charged = profile.get("cancel_day") == "charged"
        terms.cancel_on, terms.cancel_due = on + DAY * int(is_charged), on
    elif kind == "pause":
        terms.pauses.append((on, None))
    elif kind == "resume":
        terms.pauses[-1] = (terms.pauses[-1][0], on)
    elif kind == "anchor_day":
        named = [one.id for one in terms.items if one.name == change.get("item")]
        terms.anchors.append((named[0] if named else None, on, int(change["to"])))
    else:
        _change_items(terms, on, change, case["given"])


def _change_items(
    terms: Terms, on: date, change: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """The items with a change of their own; one that is added begins on its day: `added_on`."""
    kind = change["type"]
    if kind == "remove":
        terms.items = [
            replace(one, until_on=on) if _is_meant(one, change) else one for one in terms.items
        ]
    elif kind == "quantity":
        terms.items = [_with_quantity(one, on, change) for one in terms.items]
    elif kind == "change_price":
        terms.items = [_with_price(one, on, change) for one in terms.items]
    elif kind in ("change_plan", "plan"):
        _change_plan(terms, on, change, given)
    elif kind != "add":
        raise NotSupported(f"change {kind}")


def _is_meant(item: Item, change: Mapping[str, Any]) -> bool:
    named = change.get("item")
    return named is None or named in (item.name, item.timing, f"in_{item.timing}")


def added_on(item: Item, changes: list[Mapping[str, Any]], zone: str) -> date | None:
    """The day on which an item of the case is added, or None where it was there from the start."""
    days = [local_day(c, zone, "date") for c in changes if c.get("type") == "add"
            and _is_meant(item, c)]  # fmt: skip
    return days[0] if days else None


def _with_quantity(item: Item, on: date, change: Mapping[str, Any]) -> Item:
    told = change["to"]
    if isinstance(told, Mapping):
        if item.name not in told:
            return item
        told = told[item.name]
    elif not _is_meant(item, change) or not item.is_fee:
        return item
    first = Decimal(change["from"]) if change.get("from") else item.quantity
    given = first if not item.quantities else item.quantity
    return replace(item, quantity=given, quantities=(*item.quantities, (on, Decimal(told))))


def _with_price(item: Item, on: date, change: Mapping[str, Any]) -> Item:
    if not _is_meant(item, change):
        return item
    told, _, per = str(change["to"]).partition(" per ")
    plan = {"price_per_1000": told} if per == "1000" else {"price": told}
    price = price_of(plan, is_fee=item.is_fee)
    return replace(item, prices=(*item.prices, (on, price)))


def target_of(change: Mapping[str, Any], plans: list[Mapping[str, Any]], now: int) -> int:
    """Which of the plans a change is to."""
    told = change.get("to", change.get("plan"))
    if told is None:
        return (now + 1) % len(plans)
    for number, plan in enumerate(plans):
        if number != now and told in (plan.get("name"), plan.get("price")):
            return number
    for number, plan in enumerate(plans):
        try:
            if number != now and span(plan.get("billing_period", "")) == span(str(told)):
                return number
        except NotSupported:
            continue
    if plans[now].get("name") == told:
        return now
    raise NotSupported(f"a change to {told}")


def _change_plan(
    terms: Terms, on: date, change: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """The items of the plan in force end, or get the price of the other where nothing else
    differs."""
    if "new_components" in given:
        fresh = [
            Item(f"new-{n}", one["name"], flat(one["amount"]), from_on=on)
            for n, one in enumerate(given["new_components"])
        ]
        terms.items = [*(replace(one, until_on=on) for one in terms.items), *fresh]
        return
    terms.items = [piece for one in terms.items for piece in _carried_on(one, on)]
    plans = given["plans"]
    now = max(item.plan for item in terms.items if item.until_on is None and item.plan >= 0)
    current = _current(terms)
    now = current.plan if current is not None else now
    target = target_of(change, plans, now % 1000)
    items = [of_period(one, given) for one in items_of_plan(target, plans[target], given)]
    if change.get("effective") in ("end_of_period", "period_end"):
        raise NotSupported("a change at the end of the period")
    is_plain = (
        current is not None
        and len(items) == 1
        and items[0].cadence == current.cadence
        and items[0].timing == current.timing
        and change.get("anchor") is None
        and plans[now % 1000].get("anchor_day") == plans[target].get("anchor_day")
    )
    if is_plain and current is not None:
        other = replace(current, prices=(*current.prices, (on, items[0].price)), plan=target)
        terms.items = [other if one is current else one for one in terms.items]
        return
    serial = len(terms.items)
    anchored = on if change.get("anchor") == "reset_to_change_date" else None
    ended = [
        replace(one, until_on=on) if one.plan == now and one.until_on is None else one
        for one in terms.items
    ]
    fresh = [
        replace(one, id=f"{one.id}-{serial}", from_on=on, anchored_on=anchored) for one in items
    ]
    terms.items = [*ended, *fresh]


def _carried_on(item: Item, on: date) -> list[Item]:
    """Usage that carries over is told for each plan."""
    if item.plan >= 0 or item.until_on is not None:
        return [item]
    return [replace(item, until_on=on), replace(item, id=f"{item.id}-{on}", from_on=on)]


def _current(terms: Terms) -> Item | None:
    """The fee that a change of the plan is about."""
    fees = [one for one in terms.items if one.is_fee and one.until_on is None and one.plan >= 0]
    return fees[0] if len(fees) == 1 else next((f for f in fees), None) if fees else None
