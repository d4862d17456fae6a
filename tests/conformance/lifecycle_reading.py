"""A timeline case read into the terms of its contract at its start."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.conformance.lifecycle_changes import added_on, target_of
from tests.conformance.lifecycle_terms import (
    DAY,
    WEEKDAYS,
    Item,
    Terms,
    flat,
    items_of_plan,
    later,
    local_day,
    of_period,
    seconds_of,
    span,
)
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported

_GIVEN = {
    *("plans", "items", "contract", "changes", "proration", "period", "already_billed", "usage"),
    *("old_components", "new_components", "usage_item", "at", "defer_mid_period_invoices"),
    *("actions", "credits", "adjustments", "taxes"),
}
_CONTRACT = {
    *("start", "start_instant", "end", "end_inclusive", "anchor_day", "anchor_instant"),
    *("quantity", "quantities", "phases", "trial", "billing_time", "term"),
}
_PERIOD = {"start", "end"}
NOMINAL = date(2024, 1, 1)


def dated(case: Mapping[str, Any]) -> Mapping[str, Any]:
    """The case with days for what it says in parts of a period: half, 18/30, day 20."""
    given = case["given"]
    changes = [dict(change) for change in given.get("changes", ())]
    length = 30
    is_told = False
    for change in changes:
        at, left, day = (
            change.pop("at", None),
            change.pop("remaining", None),
            change.pop("day", None),
        )
        if left is not None:
            rest, _, length_text = str(left).partition("/")
            length = int(length_text or 30)
            offset = length - int(rest)
        elif at is not None and str(at).startswith("half"):
            offset = length // 2
        elif day is not None:
            offset = int(day) - 1
        else:
            continue
        is_told = True
        change["date"] = (NOMINAL + timedelta(days=offset)).isoformat()
        change.setdefault("type", "change_plan")
    if not is_told:
        return case
    first = changes[0]["date"]
    end = NOMINAL + timedelta(days=length)
    days = {"change": first, "renewal": end.isoformat()}
    looks = [{"bill_as_of": days.get(look["bill_as_of"], look["bill_as_of"])}
             for look in case["when"]]  # fmt: skip
    contract = {"start": NOMINAL.isoformat()}
    plans = [{**plan, "billing_period": f"{length} days"} for plan in given["plans"]]
    return {
        **case,
        "when": looks,
        "implied": True,
        "given": {**given, "plans": plans, "changes": changes, "contract": contract},
    }


def of_epochs(case: Mapping[str, Any]) -> Mapping[str, Any]:
    """The case with days and instants for what it says in seconds since 1970."""
    given = case["given"]
    told = given.get("period", {})
    changes = [dict(change) for change in given.get("changes", ())]
    if not ("start_epoch" in told or any("at_epoch" in change for change in changes)):
        return case
    period = dict(told)
    for name in ("start", "end"):
        if f"{name}_epoch" in period:
            period[name] = _at(period.pop(f"{name}_epoch")).date().isoformat()
    for change in changes:
        if "at_epoch" in change:
            change["instant"] = _at(change.pop("at_epoch")).isoformat()
        if change["type"] == "change_plan" and len(given["plans"]) == 1:
            # What it changes to is told by its price alone.
            change["type"] = "change_price"
    # What is told to the second is counted in seconds.
    counted = {"granularity": "second", **given.get("proration", {})}
    return {
        **case,
        "given": {**given, "period": period, "changes": changes, "proration": counted},
    }


def _at(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def terms_of(case: Mapping[str, Any], profile: Mapping[str, Any]) -> Terms:
    """The contract of the case before any of its changes."""
    given = case["given"]
    refuse_unknown("given", given, _GIVEN)
    contract = given.get("contract", {})
    refuse_unknown("contract field", contract, _CONTRACT)
    zone = case.get("timezone") or "UTC"
    anchor = contract.get("anchor_instant")
    start = local_day(contract, zone, "start")
    terms = Terms(start or date.min, [])
    _anchored(terms, anchor)
    if start is None and "period" in given:
        refuse_unknown("period field", given["period"], _PERIOD)
        terms.start = date.fromisoformat(given["period"]["start"])
        terms.end = date.fromisoformat(given["period"]["end"])
    elif start is None and anchor is not None:
        terms.start = datetime.fromisoformat(anchor).date()
        terms.start_seconds = seconds_of(anchor)
    elif start is None:
        terms.start = _first_month(case)
    if anchor is not None and contract.get("start_instant"):
        terms.start_seconds = seconds_of(contract["start_instant"])
    terms.items = _items(given, terms)
    _ends(terms, contract, given)
    terms.is_calendar = contract.get("billing_time") == "calendar"
    _anchor_of_plans(terms, given, contract)
    _phases(terms, given, contract)
    zone_changes = list(given.get("changes", ()))
    terms.items = [replace(one, from_on=added_on(one, zone_changes, zone) or one.from_on)
                   for one in terms.items]  # fmt: skip
    terms.items = [_once(one, given) for one in terms.items]
    return terms


def _first_month(case: Mapping[str, Any]) -> date:
    """A contract without a start began with the month before its first change or look."""
    days = [c["date"] for c in case["given"].get("changes", ()) if c.get("date")]
    first = min([*days, *(look["bill_as_of"] for look in case["when"])])
    return date.fromisoformat(first).replace(day=1)


def _anchored(terms: Terms, anchor: str | None) -> None:
    if anchor is None:
        return
    at = datetime.fromisoformat(anchor)
    terms.anchor_day, terms.day_seconds = at.day, seconds_of(anchor)
    terms.start_seconds = terms.day_seconds
    terms.anchored_on = at.date()


def _items(given: Mapping[str, Any], terms: Terms) -> list[Item]:
    if "usage_item" in given:
        return [*_planned(given), _carried(given, terms)]
    if "old_components" in given:
        return _components(given)
    return _planned(given)


def _planned(given: Mapping[str, Any]) -> list[Item]:
    told = list(given.get("plans", given.get("items", ())))
    targets, now = set(), 0
    for change in given.get("changes", ()):
        if change.get("type") in ("change_plan", "plan") and len(told) > 1:
            now = target_of(change, told, now)
            targets.add(now)
        # A plan that is listed for its price alone.
        targets |= {n for n, plan in enumerate(told) if change.get("type") == "change_price"
                    and plan.get("price") == change["to"]}  # fmt: skip
    targets -= {0}
    kept = [(number, plan) for number, plan in enumerate(told) if number not in targets]
    found = [item for number, plan in kept for item in items_of_plan(number, plan, given)]
    if not targets and any(c.get("type") == "change_plan" for c in given.get("changes", ())) and (
        len(told) == 1
    ):  # fmt: skip
        raise NotSupported("a change to a plan that is not told")
    first = next((c["from"] for c in given.get("changes", ()) if c.get("type") == "quantity"
                  and c.get("from")), None)  # fmt: skip
    if first is not None:
        found = [replace(one, quantity=Decimal(first)) if one.is_fee else one for one in found]
    return [of_period(item, given) for item in found]


def _carried(given: Mapping[str, Any], terms: Terms) -> Item:
    """Usage that stays until it is taken off, counted by the day: a fee whose quantity grows."""
    told = given["usage_item"]
    refuse_unknown("usage item field", told, {"price", "carries_over", "prorated_by_day", "name"})
    if not (told.get("carries_over") and told.get("prorated_by_day")):
        raise NotSupported("a usage item that does not carry over by the day")
    level, steps = Decimal(0), []
    for use in sorted(given.get("usage", ()), key=lambda one: one["date"]):
        level += Decimal(use["quantity"])
        steps.append((date.fromisoformat(use["date"][:10]), level))
    item = Item("carried", "carried", flat(told["price"]), "arrears", quantity=Decimal(0))
    return replace(item, quantities=tuple(steps), plan=-1)


def _components(given: Mapping[str, Any]) -> list[Item]:
    change = given["changes"][0]
    if len(given["changes"]) != 1 or change.get("effective", "immediate") != "immediate":
        raise NotSupported("components that change at another time")
    return [
        Item(f"old-{n}", one["name"], flat(one["amount"]))
        for n, one in enumerate(given["old_components"])
    ]


def _ends(terms: Terms, contract: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    if contract.get("end"):
        terms.end = date.fromisoformat(contract["end"][:10])
    elif contract.get("end_inclusive"):
        terms.end = date.fromisoformat(contract["end_inclusive"]) + DAY


def _anchor_of_plans(terms: Terms, given: Mapping[str, Any], contract: Mapping[str, Any]) -> None:
    told = list(given.get("plans", given.get("items", ())))
    if contract.get("anchor_day"):
        terms.anchor_day = int(contract["anchor_day"])
    elif told and told[0].get("anchor_day"):
        terms.anchor_day = int(told[0]["anchor_day"])
    if told and told[0].get("anchor_weekday"):
        terms.weekday = 1 + WEEKDAYS.index(told[0]["anchor_weekday"].lower())
    trial = contract.get("trial") or next((p["trial"] for p in told if p.get("trial")), None)
    # A trial that is paid for is billed like any other time.
    if trial is not None and "paid" not in trial:
        terms.trial_until = later(terms.start, span(trial))
    if contract.get("term"):
        length, start = span(contract["term"]), terms.start
        if terms.weekday is not None:
            start += timedelta(days=(terms.weekday - 1 - start.weekday()) % 7)
        terms.end = later(start, length)


def _phases(terms: Terms, given: Mapping[str, Any], contract: Mapping[str, Any]) -> None:
    """Each fee of the contract once for each phase, with the days that it has."""
    told = contract.get("phases")
    if not told:
        return
    edges = [terms.start]
    for phase in told[1:]:
        if phase.get("from"):
            edges.append(date.fromisoformat(phase["from"]))
        else:
            edges.append(later(edges[-1], span(told[len(edges) - 1]["duration"])))
    ends: list[date | None] = [*edges[1:], None]
    last = told[-1].get("duration")
    if last:
        ends[-1] = later(edges[-1], span(last))
    found = []
    for number, phase in enumerate(told):
        refuse_unknown(
            "phase field", phase, {"from", "duration", "price", "billing_period", "name"}
        )
        for item in terms.items:
            one = replace(item, id=f"{item.id}-{number}", from_on=edges[number],
                          planned_until=ends[number])  # fmt: skip
            if phase.get("price") is not None:
                one = replace(one, price=flat(phase["price"]))
            if phase.get("billing_period"):
                one = replace(one, cadence=span(phase["billing_period"]))
            found.append(one)
    terms.items = found


def _once(item: Item, given: Mapping[str, Any]) -> Item:
    """What is charged once is a fee of one day that nothing cuts."""
    told = list(given.get("plans", given.get("items", ())))
    if not any(one.get("one_time") and one.get("name") == item.name for one in told):
        return item
    if item.from_on is None:
        raise NotSupported("a one-time item without a day")
    return replace(item, planned_until=item.from_on + DAY, prorate=False, cadence=(1, "month"))
