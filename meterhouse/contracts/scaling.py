"""Prices times a factor: the price of which everything it charges is that much more."""

import json
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from meterhouse.canonical import canonical_json
from meterhouse.catalog.fields import DECIMAL_PLACES, Strict, plain
from meterhouse.catalog.fields import places as places_of
from meterhouse.contracts.capacity_prices import CapacityTier
from meterhouse.contracts.event_prices import BPS_DECIMALS, Bps, BpsTier, Percentage
from meterhouse.contracts.formula_prices import Formula
from meterhouse.contracts.part_prices import Committed, CommittedCell
from meterhouse.contracts.prices import Flat, Price
from meterhouse.contracts.prorated_prices import ProratedTier
from meterhouse.contracts.tier_prices import RateTier, StairTier, Tier
from meterhouse.contracts.unit_prices import Dynamic, Overage, Package, PerUnit

# What a price charges is a sum of these, times quantities that are not scaled. A class that has
# numbers and is not named here is refused by a test.
MONEY: dict[type[Strict], tuple[str, ...]] = {
    Flat: ("amount",),
    PerUnit: ("unit_amount",),
    Package: ("package_amount",),
    Overage: ("unit_amount",),
    Dynamic: ("multiplier",),
    Tier: ("unit_amount", "flat_amount", "package_amount", "cap"),
    StairTier: ("flat_amount",),
    RateTier: ("rate", "flat_amount"),
    CapacityTier: ("amount",),
    ProratedTier: ("unit_amount", "flat_amount"),
    Percentage: ("rate", "fixed_amount", "min_per_event", "max_per_event"),
    Bps: ("bps", "per_event_cap"),
    BpsTier: ("bps", "per_event_cap"),
    Committed: ("commitment_amount",),
    CommittedCell: ("commitment_amount",),
}
FACTOR = "renewal_factor"
# Shares of money: they meet the same scale budget as unit prices, and are at most 1.
_SHARES = ("rate",)
_PRICE: TypeAdapter[Any] = TypeAdapter(Price)
_EXACT = Context(prec=60)
_MOST = Decimal(10**15 - 1)


@cache
def scaled(price: str, factor: Decimal, decimals: int = DECIMAL_PLACES) -> str:
    """The canonical JSON of a price of which every amount is `factor` times that of `price`.

    Money is rounded half up to as many decimals as fit, at most `decimals` for the price of a unit.
    """
    model = _PRICE.validate_python(json.loads(price))
    is_formula = isinstance(model, Formula)
    dumped = _wrapped(model, factor) if is_formula else _times(model, factor, decimals)
    made = _PRICE.validate_python(dumped)
    return canonical_json(made.model_dump(mode="json", by_alias=True))


def unscalable(price: Strict) -> str | None:
    """Why a price could not be raised, or None: a formula may be too long to be wrapped."""
    try:
        scaled(canonical_json(price.model_dump(mode="json", by_alias=True)), Decimal("1.01"))
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    return None


def _times(part: Strict, factor: Decimal, places: int) -> dict[str, Any]:
    if isinstance(part, Committed):
        # What lies above the commitment is charged times a factor with decimals of its own.
        places = max(places - places_of(part.overage_factor), 0)
    dumped = part.model_dump(mode="json", by_alias=True)
    for name in type(part).model_fields:
        value = getattr(part, name)
        if value is None or name not in dumped:
            continue
        if isinstance(value, Strict):
            dumped[name] = _times(value, factor, places)
        elif isinstance(value, tuple) and any(isinstance(one, Strict) for one in value):
            dumped[name] = [_times(one, factor, places) for one in value]
        elif name in MONEY.get(type(part), ()):
            dumped[name] = plain(_rounded(value * factor, _room(part, name, places)))
            if name in _SHARES:
                dumped[name] = plain(min(Decimal(dumped[name]), Decimal(1)))
    return dumped


def _room(part: Strict, name: str, places: int) -> int:
    """How many decimals a field may have, where the price of one unit may have so many."""
    if name == "bps":
        return max(min(places - (DECIMAL_PLACES - BPS_DECIMALS), BPS_DECIMALS), 0)
    if isinstance(part, PerUnit):
        return max(places - part.per.adjusted(), 0)
    return places if name in ("unit_amount", "multiplier", *_SHARES) else DECIMAL_PLACES


def _rounded(value: Decimal, places: int) -> Decimal:
    # The books hold 15 digits before the point; a price that grew for ever stops there.
    return min(value, _MOST).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)


def _wrapped(price: Formula, factor: Decimal) -> dict[str, Any]:
    """The formula in brackets times a constant; one that was wrapped before has it raised."""
    before = price.constants.get(FACTOR)
    dumped = price.model_dump(mode="json", by_alias=True)
    suffix = f" * {FACTOR}"
    if before is None or not (price.formula.startswith("max(") and price.formula.endswith(suffix)):
        # Below 0 counts as 0, with or without the factor.
        dumped["formula"] = f"max({price.formula}, 0){suffix}"
    raised = _rounded((before or Decimal(1)) * factor, DECIMAL_PLACES)
    dumped["constants"] = {**dumped["constants"], FACTOR: plain(raised)}
    return dumped


def scaled_all(rows: Iterable[tuple[str, Decimal, int]]) -> list[str]:
    """`scaled` for many: once for each distinct price, factor and number of decimals."""
    return [scaled(*row) for row in rows]
