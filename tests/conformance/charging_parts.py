"""Cases of the models that are priced by parts, in the words of the book."""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from tests.conformance import charging_simple
from tests.conformance.readings import Reading, plainly, refuse_unknown
from tests.conformance.vectors import NotSupported

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_COMMITMENT = ("commitment_amount", "commitment_quantity", "overage_factor", "true_up")


def _sum(quantities: Iterable[str]) -> str:
    with localcontext(prec=60):
        return format(sum(map(Decimal, quantities), Decimal(0)), "f")


def _inner(case: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """A price inside another one; without a model it is the one that its words fit."""
    model = said.get("inner_model") or said.get("model") or _model_of(said)
    price = {k: v for k, v in said.items() if k not in ("inner_model", "model")}
    if model not in charging_simple.READERS:
        raise NotSupported(f"inner model {model}")
    reading = charging_simple.READERS[model]({**case, "model": model, "price": price})
    return dict(reading.price)


def _model_of(said: Mapping[str, Any]) -> str:
    if "tiers" in said:
        return "graduated"
    return "package" if "package_size" in said else "per_unit"


def _keys(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Dimensions of the book have plain names; others are given one that is as unlike others."""
    return {n if _NAME.fullmatch(n) else f"d_{n.encode().hex()}"[:48]: v for n, v in keys.items()}


def _matrix(case: Mapping[str, Any]) -> Reading:
    price = case["price"]
    refuse_unknown("price field", price, {"cells", "default_unit_amount", "default"})
    cells = [
        {
            "keys": _keys(cell["keys"]),
            "price": _inner(case, {k: v for k, v in cell.items() if k != "keys"}),
        }
        for cell in price["cells"]
    ]
    rows = case["dimensions"]
    for row in rows:
        refuse_unknown("dimension field", row, {"keys", "quantity"})
    return Reading(
        {"model": "matrix", "cells": cells, "default": _default(case)},
        _sum(row["quantity"] for row in rows),
        [{"keys": _keys(row["keys"]), "quantity": plainly(row["quantity"])} for row in rows],
    )


def _default(case: Mapping[str, Any]) -> dict[str, Any] | None:
    price = case["price"]
    if price.get("default") is not None:
        return _inner(case, price["default"])
    unit = price.get("default_unit_amount")
    return None if unit is None else _inner(case, {"unit_amount": unit})


def _bucketed(case: Mapping[str, Any]) -> Reading:
    parts = [{"quantity": plainly(bucket)} for bucket in case["buckets"]]
    price = {"model": "bucketed", "price": _inner(case, case["price"])}
    return Reading(price, _sum(case["buckets"]), parts)


def _capacity(case: Mapping[str, Any]) -> Reading:
    """The last tier prices all beyond it, as the book says by giving it no limits."""
    refuse_unknown("price field", case["price"], {"tiers"})
    tiers = []
    for tier in case["price"]["tiers"]:
        refuse_unknown("tier field", tier, {"limits", "amount"})
        limits = {unit: one for unit, one in tier["limits"].items() if one is not None}
        tiers.append({"limits": limits, "amount": plainly(tier["amount"])})
    used = case["quantities"]
    return Reading(
        {"model": "capacity", "tiers": [*tiers[:-1], {**tiers[-1], "limits": {}}]},
        _sum(used.values()),
        [{"keys": {"unit": unit}, "quantity": plainly(one)} for unit, one in used.items()],
    )


def _committed(case: Mapping[str, Any]) -> Reading:
    price = case["price"]
    refuse_unknown("price field", price, {"default", "buckets"})
    cells = [
        {"keys": {"bucket": name}, **_terms(case, terms)}
        for name, terms in (price.get("buckets") or {}).items()
    ]
    parts = []
    for window in case["windows"]:
        refuse_unknown("window field", window, {"quantity", "bucket"})
        keys = {"bucket": window["bucket"]} if window.get("bucket") is not None else {}
        parts.append({"keys": keys, "quantity": plainly(window["quantity"])})
    return Reading(
        {"model": case["model"], "default": _terms(case, price["default"]), "cells": cells},
        _sum(window["quantity"] for window in case["windows"]),
        parts,
    )


def _terms(case: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """A factor or a true-up without a commitment changes nothing, and the book refuses it."""
    own = {name: said[name] for name in _COMMITMENT if said.get(name) is not None}
    if not {"commitment_amount", "commitment_quantity"} & own.keys():
        own = {}
    return {"price": _inner(case, {k: v for k, v in said.items() if k not in _COMMITMENT}), **own}


def _prorated_graduated(case: Mapping[str, Any]) -> Reading:
    price = {name: value for name, value in case["price"].items() if name != "movements"}
    movements = [_movement(one) for one in case["price"]["movements"]]
    return Reading(
        _prorated(case, price, "prorated_graduated"),
        max(_sum(one["quantity"] for one in movements), "0", key=Decimal),
        movements,
    )


def _movement(said: Mapping[str, Any]) -> dict[str, Any]:
    """Signed units, and as their weight the part of the period they count for."""
    refuse_unknown("movement field", said, {"units", "prorated_units", "fraction"})
    units = Fraction(said["units"])
    if said.get("fraction") is not None:
        weight = Fraction(said["fraction"])
    elif said.get("prorated_units") is None:
        weight = Fraction(1)
    elif units:
        weight = Fraction(said["prorated_units"]) / units
    elif Fraction(said["prorated_units"]):
        raise NotSupported("a movement of no units that has prorated ones")
    else:
        weight = Fraction(0)
    return {
        "quantity": plainly(said["units"]),
        "weight_numerator": weight.numerator,
        "weight_denominator": weight.denominator,
    }


def _prorated(case: Mapping[str, Any], price: Mapping[str, Any], model: str) -> dict[str, Any]:
    read = dict(charging_simple.READERS["graduated"]({**case, "price": price}).price)
    for tier in read["tiers"]:
        refuse_unknown("tier field", tier, {"up_to", "unit_amount", "flat_amount"})
    return {**read, "model": model}


def _volume(case: Mapping[str, Any]) -> Reading:
    """With a quantity that picks the tier it is prorated volume: whole units that count for all,
    and the rest of the full units, which count for nothing."""
    full = case["price"].get("tier_quantity", case.get("tier_quantity"))
    if full is None:
        return charging_simple.READERS["volume"](case)
    price = {name: value for name, value in case["price"].items() if name != "tier_quantity"}
    with localcontext(prec=60):
        rest = format(Decimal(full) - Decimal(case["quantity"]), "f")
    return Reading(
        _prorated(case, price, "prorated_volume"),
        plainly(full),
        [
            {"quantity": plainly(case["quantity"])},
            {"quantity": plainly(rest), "weight_numerator": 0},
        ],
    )


# By model: the fields of a case (beside those that all have) and how it is read. The price that a
# reader gets has no modifiers any more: `minimum_amount` and the like are read for all models.
FIELDS: dict[str, set[str]] = {
    "matrix": {"dimensions"},
    "bucketed": {"buckets"},
    "capacity": {"quantities"},
    "windowed_commitment": {"windows"},
    "prorated_graduated": {"movements"},
    "volume": {"tier_quantity"},
}
READERS: dict[str, Callable[[Mapping[str, Any]], Reading]] = {
    "matrix": _matrix,
    "bucketed": _bucketed,
    "capacity": _capacity,
    "windowed_commitment": _committed,
    "prorated_graduated": _prorated_graduated,
    "volume": _volume,
}
