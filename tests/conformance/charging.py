"""Cases of kind charge and subtotal, run through the engine that bills."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NamedTuple

import polars as pl
from pydantic import TypeAdapter, ValidationError

from meterhouse.canonical import canonical_json
from meterhouse.contracts.prices import Price
from meterhouse.money import AMOUNT, QUANTITY, places, rounded
from meterhouse.pricing.charging import charge_lines
from meterhouse.pricing.models import MODELS, PARTS
from tests.conformance import charging_parts, charging_simple
from tests.conformance.charging_modifiers import MODIFIERS, item_modifiers
from tests.conformance.readings import Reading, plainly, refuse_unknown
from tests.conformance.scaling import in_budget
from tests.conformance.vectors import NotSupported

_TOLD = {"id", "source", "kind", "notes", "unverified", "unverified_reason"}
_CHARGE = {
    *_TOLD,
    *("model", "currency", "price", "quantity", "round_to", "rounding", "previously_billed"),
    *("expected_amount", "expected_detail", "phases", "expected_phase_amounts"),
}
_SUBTOTAL = {
    *_TOLD,
    *("currency", "line_amounts_unrounded", "round_to", "rounding", "expected_amount"),
}
_READERS = {**charging_simple.READERS, **charging_parts.READERS}
_FIELDS = {**charging_simple.FIELDS, **charging_parts.FIELDS}
_MODES = {"half_up": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}
_PRICES: TypeAdapter[Any] = TypeAdapter(Price)
# Steps before the price; details are those of the price.
_BEFORE = ("convert", "free")


class Charged(NamedTuple):
    """What the engine makes of a quantity: with all places, as billed, and why.

    The amounts of the steps are `scale` times those of the case.
    """

    exact: Decimal
    billed: Decimal | None
    steps: str
    scale: Decimal = Decimal(1)


def check_charge(case: Mapping[str, Any]) -> None:
    """Rates what a case gives and compares its amounts, phase by phase, and its tiers."""
    model = case["model"]
    if model not in _READERS or model not in MODELS:
        raise NotSupported(f"model {model}")
    refuse_unknown("field", case, _CHARGE | _FIELDS.get(model, set()))
    if "phases" in case:
        _check_phases(case)
        return
    charged = _charged(case, is_last=True)
    found = _as_published(case, charged) - Decimal(case.get("previously_billed", "0"))
    _agree(found, Decimal(case["expected_amount"]), charged.steps)
    if "expected_detail" in case:
        priced = [step for step in json.loads(charged.steps) if step["step"] not in _BEFORE]
        details = [Decimal(step["amount"]) / charged.scale for step in priced]
        _agree(details, [Decimal(amount) for amount in case["expected_detail"]], charged.steps)


def _check_phases(case: Mapping[str, Any]) -> None:
    """Each phase is billed the whole of its cumulative quantity, less what was billed before."""
    billed, found, steps = Decimal(case.get("previously_billed", "0")), [], []
    for number, phase in enumerate(case["phases"], start=1):
        refuse_unknown("phase field", phase, {"cumulative_quantity"})
        cumulative = {**case, "quantity": phase["cumulative_quantity"]}
        charged = _charged(cumulative, is_last=number == len(case["phases"]))
        desired = _as_published(case, charged)
        found.append(desired - billed)
        billed = desired
        steps.append(charged.steps)
    _agree(found, [Decimal(amount) for amount in case["expected_phase_amounts"]], str(steps))


def check_subtotal(case: Mapping[str, Any]) -> None:
    """Rounds each line as invoices do and adds the lines."""
    refuse_unknown("field", case, _SUBTOTAL)
    if not _is_billed(case):
        raise NotSupported("a subtotal of lines that are not rounded as we bill")
    lines = pl.DataFrame(
        {"amount": [Decimal(amount) for amount in case["line_amounts_unrounded"]]},
        schema={"amount": AMOUNT},
    ).with_columns(currency=pl.lit(case["currency"]))
    total = lines.select(rounded(pl.col("amount"), pl.col("currency")).sum()).item()
    _agree(total, Decimal(case["expected_amount"]))


def _agree(found: Any, published: Any, how: str = "") -> None:
    assert found == published, f"published {published}, found {found} {how}"


def _is_billed(case: Mapping[str, Any]) -> bool:
    """Whether the published figure is rounded as invoices are."""
    mode = case.get("rounding", "half_up")
    return case.get("round_to") == places(case["currency"]) and mode == "half_up"


def _as_published(case: Mapping[str, Any], charged: Charged) -> Decimal:
    """The engine's amount as the figure was published: billed, exact, or rounded in another way."""
    if _is_billed(case) and charged.billed is not None:
        return charged.billed
    if "round_to" not in case:
        return charged.exact
    mode = case.get("rounding", "half_up")
    if mode not in _MODES:
        raise NotSupported(f"rounding {mode}")
    with localcontext(prec=60):
        return charged.exact.quantize(Decimal(1).scaleb(-case["round_to"]), _MODES[mode])


def _charged(case: Mapping[str, Any], *, is_last: bool) -> Charged:
    """What the engine that bills makes of the case's price and quantity."""
    asked, scale = in_budget(case)
    price = {name: value for name, value in asked["price"].items() if name not in MODIFIERS}
    given = {**asked, "price": price}
    reading = _READERS[case["model"]](given)
    if reading.quantity is None:
        raise NotSupported("a charge without a quantity")
    window = _window(case, reading).with_columns(
        modifiers=pl.lit(item_modifiers(asked["price"]), dtype=pl.String),
        is_period_last=pl.lit(is_last),
    )
    parts = _parts(case, reading)
    exact, billed = (charge_lines(window, parts, exact=one) for one in (True, False))
    steps = billed.filter(pl.col("based_on") == pl.col("window_id"))["steps"].item()
    if scale != 1:  # Money is in other units than those that are billed.
        with localcontext(prec=90):
            return Charged(exact["amount"].sum() / scale, None, steps, scale)
    whole = exact if not case["price"].get("round_before_commitment") else billed
    return Charged(whole["amount"].sum(), billed["amount"].sum(), steps)


def _window(case: Mapping[str, Any], reading: Reading) -> pl.DataFrame:
    """One window of a whole period."""
    start, end = date(2024, 1, 1), date(2024, 2, 1)
    return pl.DataFrame(
        {
            "window_id": [case["id"]],
            "price_model": [reading.price["model"]],
            "price": [canonical_json(_document(reading.price))],
            "quantity": pl.Series([Decimal(plainly(str(reading.quantity)))], dtype=QUANTITY),
            "currency": [case["currency"]],
            "prorate_start": [True],
            "prorate_end": [True],
            "window_start_on": [start],
            "window_end_on": [end],
            "period_start_on": [start],
            "period_end_on": [end],
        }
    )


def _document(price: Mapping[str, Any]) -> dict[str, Any]:
    """The price as the book holds it: refused as the door refuses it, with its defaults filled.

    The door takes no negative amounts. Some are published, and the engine behind it charges them.
    """
    negative = {n: v for n, v in price.items() if isinstance(v, str) and v.startswith("-")}
    try:
        model = _PRICES.validate_python({**price, **{n: v[1:] for n, v in negative.items()}})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(place) for place in first["loc"])
        raise NotSupported(f"a price that the book refuses: {where}: {first['msg']}") from error
    return {**_PRICES.dump_python(model, mode="json"), **negative}


def _parts(case: Mapping[str, Any], reading: Reading) -> pl.DataFrame:
    """The parts of the case's one window, in their order."""
    rows = [
        {
            "window_id": case["id"],
            "part_no": number,
            "keys": canonical_json(part.get("keys", {})),
            "quantity": Decimal(part.get("quantity", "0")),
            "weight_numerator": part.get("weight_numerator", 1),
            "weight_denominator": part.get("weight_denominator", 1),
        }
        for number, part in enumerate(reading.parts, start=1)
    ]
    return pl.DataFrame(rows, schema=dict(PARTS))
