"""Cases of kind charge and subtotal, run through the engine that bills."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.money import AMOUNT, QUANTITY, places, rounded
from meterhouse.pricing.models import MODELS
from meterhouse.pricing.rating import rate_windows
from tests.conformance.vectors import NotSupported

_TOLD = {"id", "source", "kind", "notes", "unverified", "unverified_reason"}
_CHARGE = {
    *_TOLD,
    *("model", "currency", "price", "quantity", "round_to", "rounding"),
    *("expected_amount", "expected_detail"),
}
_SUBTOTAL = {
    *_TOLD,
    *("currency", "line_amounts_unrounded", "round_to", "rounding", "expected_amount"),
}
_PRICE = {
    "flat": {"amount"},
    "graduated": {"tiers", "zero_quantity_flat"},
    "per_unit": {"unit_amount", "per"},
}
_TIER = {"up_to", "unit_amount", "flat_amount"}


def check_charge(case: Mapping[str, Any]) -> None:
    """Rates one window with the case's price and quantity and compares amount and tiers."""
    model = case["model"]
    if model not in MODELS:
        raise NotSupported(f"model {model}")
    _refuse_unknown("field", case, _CHARGE)
    price = _price(model, case["price"])
    result = rate_windows(_window(case, model, price)).row(0, named=True)
    column = "amount" if _is_rounded(case) else "amount_unrounded"
    _agree(result[column], Decimal(case["expected_amount"]), result["steps"])
    if "expected_detail" in case:
        found = [Decimal(step["amount"]) for step in json.loads(result["steps"])]
        _agree(found, [Decimal(amount) for amount in case["expected_detail"]], result["steps"])


def check_subtotal(case: Mapping[str, Any]) -> None:
    """Rounds each line as invoices do and adds the lines."""
    _refuse_unknown("field", case, _SUBTOTAL)
    if not _is_rounded(case):
        raise NotSupported("a subtotal of unrounded lines")
    lines = pl.DataFrame(
        {"amount": [Decimal(amount) for amount in case["line_amounts_unrounded"]]},
        schema={"amount": AMOUNT},
    ).with_columns(currency=pl.lit(case["currency"]))
    total = lines.select(rounded(pl.col("amount"), pl.col("currency")).sum()).item()
    _agree(total, Decimal(case["expected_amount"]))


def _agree(found: Any, published: Any, how: str = "") -> None:
    assert found == published, f"published {published}, found {found} {how}"


def _price(model: str, price: Mapping[str, Any]) -> dict[str, Any]:
    """The price as the book would hold it, with its defaults filled."""
    _refuse_unknown("price field", price, _PRICE[model])
    if model == "flat":
        return {"model": model, "amount": _decimals(price["amount"], 12)}
    if model == "per_unit":
        unit = _decimals(price["unit_amount"], 12)
        return {"model": model, "unit_amount": unit, "per": price.get("per", "1")}
    return {
        "model": model,
        "tiers": [_tier(tier) for tier in price["tiers"]],
        "bill_flat_on_zero": price.get("zero_quantity_flat", "charged") == "charged",
    }


def _tier(tier: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_unknown("tier field", tier, _TIER)
    up_to = tier["up_to"]
    return {
        "up_to": None if up_to is None else _decimals(up_to, 12),
        "unit_amount": _decimals(tier.get("unit_amount", "0"), 12),
        "flat_amount": _decimals(tier.get("flat_amount", "0"), 12),
    }


def _window(case: Mapping[str, Any], model: str, price: dict[str, Any]) -> pl.DataFrame:
    """One window of a whole period; a flat price is for one, whatever was used."""
    if "quantity" not in case and model != "flat":
        raise NotSupported("a charge without a quantity")
    quantity = "1" if model == "flat" else _decimals(case["quantity"], 12)
    start, end = date(2024, 1, 1), date(2024, 2, 1)
    return pl.DataFrame(
        {
            "window_id": [case["id"]],
            "price_model": [model],
            "price": [canonical_json(price)],
            "quantity": pl.Series([Decimal(quantity)], dtype=QUANTITY),
            "currency": [case["currency"]],
            "prorate_start": [True],
            "prorate_end": [True],
            "window_start_on": [start],
            "window_end_on": [end],
            "period_start_on": [start],
            "period_end_on": [end],
        }
    )


def _is_rounded(case: Mapping[str, Any]) -> bool:
    """Whether the published figure is rounded, by the one rule we have."""
    if "round_to" not in case:
        return False
    if case.get("rounding", "half_up") != "half_up":
        raise NotSupported(f"rounding {case['rounding']}")
    if case["round_to"] != places(case["currency"]):
        raise NotSupported(f"{case['currency']} rounded to {case['round_to']} places")
    return True


def _decimals(text: str, most: int) -> str:
    """The number in plain spelling, if the engine's scale budget holds it."""
    number = Decimal(text)
    if -int(number.as_tuple().exponent) > most:
        raise NotSupported(f"more than {most} decimals")
    return format(number, "f")


def _refuse_unknown(noun: str, given: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise NotSupported(f"{noun} {', '.join(unknown)}")
