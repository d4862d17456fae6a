"""Plans and usage of lifecycle cases as charge windows, and the lines that the engine makes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from pydantic import TypeAdapter, ValidationError

from meterhouse.canonical import canonical_json
from meterhouse.contracts.modifiers import ContractModifiers, ItemModifiers
from meterhouse.contracts.prices import Price
from meterhouse.money import QUANTITY
from meterhouse.pricing.charging import charge_lines
from tests.conformance.lifecycle_document import ZERO, Line
from tests.conformance.readings import plainly, refuse_unknown
from tests.conformance.vectors import NotSupported

_PRICES: TypeAdapter[Any] = TypeAdapter(Price)
_PLAN = {
    *("name", "price", "billing_period", "billing", "tax_rate", "minimum", "maximum"),
    *("minimum_commitment", "usage_items", "price_by_dimension", "carries_over"),
    *("tiers", "tiers_graduated", "tiers_volume", "currency"),
}
_TIERS = {"tiers": "graduated", "tiers_graduated": "graduated", "tiers_volume": "volume"}
_TIER = {"up_to": "up_to", "unit": "unit_amount", "flat": "flat_amount"}
_USE = {"date", "item", "quantity", "region", "split", "billed", "received"}
FIRST, LAST = date(2024, 1, 1), date(2024, 2, 1)


@dataclass(frozen=True)
class Item:
    """One thing that is charged: a fee of a period, or usage."""

    name: str
    plan: str
    price: Mapping[str, Any]
    is_fee: bool
    timing: str = "arrears"
    cadence: tuple[int, str] | None = None
    dimension: str | None = None
    group: str = ""
    tax_rate: str | None = None
    modifiers: Mapping[str, Any] | None = None
    carries_over: bool = False


@dataclass(frozen=True)
class Window:
    """A window of an item: its dates, those of its full period, when it is due and how many."""

    item: Item
    start: date
    end: date
    period: tuple[date, date]
    due: date
    quantity: Decimal
    contract: str = "contract"
    is_last: bool = True


def items_of(given: Mapping[str, Any]) -> list[Item]:
    """The items of all plans, in order."""
    plans = given.get("plans") or given.get("items") or []
    return [item for number, plan in enumerate(plans) for item in _items(number, plan, given)]


def _items(number: int, plan: Mapping[str, Any], given: Mapping[str, Any]) -> list[Item]:
    refuse_unknown("plan field", plan, _PLAN)
    name = str(plan.get("name", "usage"))
    rates = given.get("tax_rates", {})
    if plan.get("usage_items"):
        price = _price({**plan, "price": plan.get("price", given.get("unit_price"))})
        return [
            Item(one, name, price, is_fee=False, group=one, tax_rate=rates.get(one))
            for one in plan["usage_items"]
        ]
    billing = plan.get("billing", "in_arrears")
    if billing not in ("in_arrears", "in_advance", "in_advance_on_event"):
        raise NotSupported(f"billing {billing}")
    is_fee = "billing_period" in plan
    shared = {
        "plan": name,
        "is_fee": is_fee,
        "timing": "advance" if is_fee and billing == "in_advance" else "arrears",
        "cadence": _length(plan["billing_period"]) if is_fee else None,
        "tax_rate": plan.get("tax_rate", rates.get(name)),
        "modifiers": modifiers_of(plan),
        "group": f"{number}",
        "carries_over": bool(plan.get("carries_over")),
    }
    cells = plan.get("price_by_dimension")
    if cells is None:
        return [Item(name, price=_fee(plan) if is_fee else _price(plan), **shared)]
    return [
        Item(name, price=_price({"price": price}), dimension=cell, **shared)
        for cell, price in sorted(cells.items())
    ]


def modifiers_of(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The limits of a plan as the modifiers of its item."""
    limits = {name: plan[name] for name in ("minimum", "maximum") if plan.get(name) is not None}
    return {name: {"amount": plainly(amount)} for name, amount in limits.items()}


def _length(text: str) -> tuple[int, str]:
    """A billing period as a cadence of the book: how many of which unit."""
    count, _, unit = text.partition(" ")
    unit = unit.removesuffix("s")
    if not count.isdigit() or unit not in ("day", "week", "month", "quarter", "year"):
        raise NotSupported(f"billing_period {text}")
    return (3 * int(count), "month") if unit == "quarter" else (int(count), unit)


def _fee(plan: Mapping[str, Any]) -> dict[str, Any]:
    return _document({"model": "flat", "amount": plainly(plan["price"])})


def _price(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Unit prices or tiers as the book holds them."""
    for name, model in _TIERS.items():
        if plan.get(name) is not None:
            return _document({"model": model, "tiers": [_tier(tier) for tier in plan[name]]})
    if plan.get("price") is None:
        raise NotSupported("a plan without a price")
    return _document({"model": "per_unit", "unit_amount": plainly(plan["price"])})


def _tier(tier: Mapping[str, Any]) -> dict[str, Any]:
    refuse_unknown("tier field", tier, set(_TIER))
    said = {_TIER[name]: value for name, value in tier.items() if value is not None}
    return {"up_to": None, **said}


def _document(price: Mapping[str, Any]) -> dict[str, Any]:
    try:
        read = _PRICES.validate_python(dict(price))
    except ValidationError as error:
        raise NotSupported(f"a price that the book refuses: {error.errors()[0]['msg']}") from error
    return dict(_PRICES.dump_python(read, mode="json"))


def charged(
    windows: Sequence[Window],
    currency: str,
    contract: Mapping[str, Any] | None = None,
    span: tuple[date, date | None] = (FIRST, None),
) -> pl.DataFrame:
    """The lines of LINES that the engine makes, with the row `window_no` that each is based on."""
    rows = [_row(number, window, currency) for number, window in enumerate(windows)]
    frame = pl.DataFrame(rows, schema_overrides={"quantity": QUANTITY, "modifiers": pl.String})
    terms = None
    if contract:
        said = ContractModifiers.model_validate(contract).model_dump(mode="json", by_alias=True)
        named = sorted({window.contract for window in windows})
        terms = pl.DataFrame(
            {
                "contract_id": named,
                "modifiers": [canonical_json(said)] * len(named),
                "start_on": [span[0]] * len(named),
                "end_on": pl.Series([span[1]] * len(named), dtype=pl.Date),
            }
        )
    lines = charge_lines(frame, contracts=terms)
    own = frame.select(
        "window_id", own_due_on="due_on", own_timing="timing", window_no=pl.int_range(pl.len())
    )
    # The lines of windows themselves leave to their window what it says.
    return (
        lines.join(own, left_on="based_on", right_on="window_id", how="left")
        .with_columns(
            due_on=pl.coalesce("due_on", "own_due_on"), timing=pl.coalesce("timing", "own_timing")
        )
        .with_columns(
            is_made=~pl.col("component").is_in(["fee", "usage"]),
            is_whole=pl.col("item_id").is_in(["commitment"]).fill_null(value=False),
            group_no=pl.col("window_no").replace_strict(_groups(windows), default=None),
        )
        .sort("due_on", "is_whole", "group_no", "is_made", "window_no", "component")
    )


def _groups(windows: Sequence[Window]) -> dict[int, int]:
    """By window: the first one of the same plan and span, which it is charged together with."""
    keys = [(one.contract, one.item.plan, one.item.group, one.start) for one in windows]
    return {number: keys.index(key) for number, key in enumerate(keys)}


def _row(number: int, window: Window, currency: str) -> dict[str, Any]:
    item = window.item
    said = item.modifiers or None
    read = ItemModifiers.model_validate(said).model_dump(mode="json", by_alias=True) if said else {}
    return {
        "window_id": f"w{number:06d}",
        "charge_id": f"{window.contract}|{item.plan}|{item.group}|{window.start}",
        "contract_id": window.contract,
        "item_id": f"{item.plan}|{item.name}|{item.group}",
        "item_description": item.name,
        "component": "fee" if item.is_fee else "usage",
        "dimensions": "{}" if item.dimension is None else canonical_json({"d": item.dimension}),
        "price_model": item.price["model"],
        "price": canonical_json(item.price),
        "quantity": window.quantity,
        "currency": currency,
        "timing": item.timing,
        "modifiers": canonical_json(read) if read else None,
        "prorate_start": True,
        "prorate_end": True,
        "window_start_on": window.start,
        "window_end_on": window.end,
        "period_start_on": window.period[0],
        "period_end_on": window.period[1],
        "due_on": window.due,
        "is_period_last": window.is_last,
    }


def read_usage(given: Mapping[str, Any], items: Sequence[Item]) -> list[dict[str, Any]]:
    """The uses with `item` (its place among the items), `on` (a date or None) and `quantity`."""
    usage = given.get("usage", [])
    if usage == "one unit each":
        usage = [{"item": item.name, "quantity": "1"} for item in items if not item.is_fee]
    if isinstance(usage, str):
        usage = [{"quantity": usage}]
    return [_use(one, items) for one in usage]


def _use(one: Mapping[str, Any], items: Sequence[Item]) -> dict[str, Any]:
    refuse_unknown("usage field", one, _USE)
    metered = [n for n, item in enumerate(items) if not item.is_fee]
    if one.get("item") is not None:
        metered = [n for n in metered if items[n].name == one["item"]]
    if one.get("region") is not None:
        exact = [n for n in metered if items[n].dimension == one["region"]]
        metered = exact or [n for n in metered if items[n].dimension == "default"]
    if len(metered) != 1:
        raise NotSupported(
            f"usage of {one.get('item', 'an item')} that {len(metered)} plans charge"
        )
    on = date.fromisoformat(one["date"][:10]) if one.get("date") else None
    billed = one.get("billed")
    return {
        "item": metered[0],
        "on": on,
        "quantity": Decimal(one["quantity"]),
        "split": one.get("split"),
        "billed": None if billed is None else Decimal(billed),
    }


def tier_lines(row: Mapping[str, Any], item: Item) -> list[Line]:
    """The line of a tiered price as one line per unit price and flat amount of its tiers."""
    steps = json.loads(row["steps"])
    tiers = [step for step in steps if step["step"] == "tier"]
    if not tiers:
        return [Line(row["amount"], _chargeable(row, steps), item.name, item.plan)]
    lines = []
    for number, tier in enumerate(tiers):
        flat, units = Decimal(tier["flat_amount"]), Decimal(tier["quantity"])
        unit = Decimal(tier["amount"]) - flat
        lines.append(Line(unit, units, item.name, item.plan, part=f"tier {number}"))
        lines.append(Line(flat, Decimal(1), item.name, item.plan, part=f"flat {number}"))
    found = [line for line in lines if line.amount]
    rest = row["amount"] - sum((line.amount for line in found), ZERO)
    if rest:
        raise NotSupported("tiers whose parts are not whole in the currency")
    return found


def _chargeable(row: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> Decimal | None:
    """The quantity less what was free of it."""
    if row["component"] != "usage":
        return None if row["component"] == "fee" else Decimal(1)
    priced = [Decimal(step["quantity"]) for step in steps if step["step"] in ("unit", "per_unit")]
    return sum(priced, ZERO) if priced else Decimal(row["quantity"])


def one_period(item: Item, quantity: Decimal, **more: Any) -> Window:
    """A whole period of its own."""
    return Window(item, FIRST, LAST, (FIRST, LAST), LAST, quantity, **more)


def day_after(day: date) -> date:
    return day + timedelta(days=1)
