"""Cases of the models that need one quantity, or events in order, in the words of the book."""

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import Any

from tests.conformance.readings import Reading, plainly, refuse_unknown
from tests.conformance.vectors import NotSupported

_TIER = {"up_to", "unit_amount", "flat_amount", "package_size", "package_amount", "cap"}
_OF_EVENTS = ("fixed_amount", "free_events", "min_per_event", "max_per_event", "per_event_cap")
_ALLOWANCES = ("free_events", "free_amount", "fixed_amount", "min_per_event", "max_per_event")


def _plain(case: Mapping[str, Any], *known: str) -> Reading:
    """A model whose price has the same words in the book."""
    return Reading(_said(case, known), case.get("quantity"))


def _said(case: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    price = case["price"]
    # Without tiers there is no flat amount of a first one.
    refuse_unknown("price field", price, {*known, "zero_quantity_flat"})
    given = {name: price[name] for name in known if price.get(name) is not None}
    return {"model": case["model"], **{name: _decimal(value) for name, value in given.items()}}


def _decimal(value: Any) -> Any:
    try:
        return plainly(value) if isinstance(value, str) else value
    except ArithmeticError:  # A word, such as `up`.
        return value


def _flat(case: Mapping[str, Any]) -> Reading:
    """A flat price is for one, whatever was used."""
    return Reading(_said(case, ("amount",)), "1")


def _tiered(case: Mapping[str, Any], known: set[str]) -> Reading:
    price = case["price"]
    refuse_unknown("price field", price, {"tiers", "zero_quantity_flat"})
    flat = price.get("zero_quantity_flat", "charged")
    if flat not in ("charged", "not_charged"):
        raise NotSupported(f"zero_quantity_flat {flat}")
    return Reading(
        {
            "model": case["model"],
            "tiers": _tiers(price["tiers"], known),
            "bill_flat_on_zero": flat == "charged",
        },
        case.get("quantity"),
    )


def _tiers(tiers: list[Mapping[str, Any]], known: set[str]) -> list[dict[str, Any]]:
    """The tiers; the last one prices all beyond it, as the book says by leaving it open."""
    for tier in tiers:
        refuse_unknown("tier field", tier, known)
    said = [{k: _decimal(v) for k, v in tier.items() if v is not None} for tier in tiers]
    return [*said[:-1], {**said[-1], "up_to": None}]


def _units(case: Mapping[str, Any]) -> Reading:
    return _tiered(case, _TIER)


def _stairs(case: Mapping[str, Any]) -> Reading:
    """Some sources write stairs as tiers with units, which cost nothing: a stair is its flat."""
    tiers = [
        {k: v for k, v in tier.items() if k != "unit_amount"} for tier in case["price"]["tiers"]
    ]
    known = {"up_to", "flat_amount"}
    return _tiered({**case, "price": {**case["price"], "tiers": tiers}}, known)


def _rates(case: Mapping[str, Any]) -> Reading:
    return _tiered(case, {"up_to", "rate", "flat_amount"})


def _dynamic(case: Mapping[str, Any]) -> Reading:
    """Money that came with events is what a sum meter measures."""
    values = _events(case, "amount")
    if values is None:
        return _plain(case, "multiplier")
    with localcontext(prec=60):
        total = sum(map(Decimal, values), Decimal(0))
    return Reading(_said(case, ("multiplier",)), format(total, "f"))


def _percentage(case: Mapping[str, Any]) -> Reading:
    price = _said(case, ("rate", *_ALLOWANCES))
    if "free_events" in price:
        price["free_events"] = int(price["free_events"])
    return _by_event(case, price)


def _bps(case: Mapping[str, Any]) -> Reading:
    if "tiers" not in case["price"]:
        return _by_event(case, _said(case, ("bps", "per_event_cap")))
    refuse_unknown("price field", case["price"], {"tiers"})
    tiers = _tiers(case["price"]["tiers"], {"up_to", "bps", "per_event_cap"})
    return _by_event(case, {"model": case["model"], "tiers": tiers})


def _by_event(case: Mapping[str, Any], price: dict[str, Any]) -> Reading:
    values = _events(case, "value")
    quantity = case.get("quantity")
    if values is None and (quantity is None or not _reads_events(price)):
        return Reading(price, quantity)
    if values is None:  # One value alone is what one event brought.
        values = [quantity]
    with localcontext(prec=60):
        total = sum(map(Decimal, values), Decimal(0))
    return Reading(price, format(total, "f"), [{"quantity": plainly(value)} for value in values])


def _reads_events(price: Mapping[str, Any]) -> bool:
    """Whether the price says anything of single events, itself or in a tier."""
    said = [price, *price.get("tiers", [])]
    return any(name in one for one in said for name in _OF_EVENTS)


def _events(case: Mapping[str, Any], of: str) -> list[str] | None:
    events = case.get("events")
    if events is None:
        return None
    for event in events:
        refuse_unknown("event field", event, {of})
    return [event[of] for event in events]


READERS: dict[str, Callable[[Mapping[str, Any]], Reading]] = {
    "flat": _flat,
    "per_unit": lambda case: _plain(case, "unit_amount", "per"),
    "graduated": _units,
    "volume": _units,
    "stairstep": _stairs,
    "package": lambda case: _plain(
        case, "package_size", "package_amount", "free_units", "rounding"
    ),
    "overage": lambda case: _plain(case, "included_units", "unit_amount"),
    "dynamic": _dynamic,
    "percentage": _percentage,
    "graduated_percentage": _rates,
    "bps": _bps,
    "bulk_bps": _bps,
    "tiered_bps": _bps,
}
FIELDS: dict[str, set[str]] = {
    model: {"events"} for model in ("dynamic", "percentage", "bps", "bulk_bps", "tiered_bps")
}
