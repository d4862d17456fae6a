"""Cases finer than the scale budget, asked in smaller units of quantity and of money.

Quantities of a meter and amounts of a price have 12 decimals each and 18 together. Whoever needs
more counts in smaller units: so do we, and the amount is told back in the units of the case.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import Any

# What each number of a case is in: units, money for a unit, or money.
KINDS = {
    **dict.fromkeys(("quantity", "up_to", "package_size", "free_units", "included_units"), "units"),
    **dict.fromkeys(("cumulative_quantity", "usage_discount_quantity", "value"), "units"),
    **dict.fromkeys(("free_amount", "buckets", "quantities", "limits", "units"), "units"),
    **dict.fromkeys(("tier_quantity", "commitment_quantity", "prorated_units"), "units"),
    **dict.fromkeys(("unit_amount", "default_unit_amount", "rate", "multiplier"), "price"),
    **dict.fromkeys(("flat_amount", "package_amount", "cap", "fixed_amount", "amount"), "money"),
    **dict.fromkeys(("min_per_event", "max_per_event", "per_event_cap"), "money"),
    **dict.fromkeys(("minimum_amount", "maximum_amount", "commitment_amount"), "money"),
}
Change = Callable[[str, str], str]
MOST, TOGETHER = 12, 18
# Their entries are named by the units that they count.
_BY_UNIT = {"quantities", "limits"}
_FIGURES = {"expected_amount", "expected_detail", "expected_phase_amounts", "previously_billed"}


def in_budget(case: Mapping[str, Any]) -> tuple[dict[str, Any], Decimal]:
    """The case as the engine can be asked, and what its amounts are to be divided by."""
    # The money that a dynamic price reads is its quantity.
    kinds = KINDS | ({"amount": "units"} if case["model"] == "dynamic" else {})
    places = dict.fromkeys(("units", "price", "money"), 0)

    def note(kind: str, text: str) -> str:
        places[kind] = max(places[kind], -int(Decimal(text).normalize().as_tuple().exponent))
        return text

    _each(case, kinds, note)
    factors = _factors(**places)
    # Whole units after a conversion are not the same in other units.
    if factors["money"] == 1 or "unit_config" in case["price"] or case["model"] == "formula":
        return dict(case), Decimal(1)

    def finer(kind: str, text: str) -> str:
        with localcontext(prec=90):
            return format(Decimal(text) * factors[kind], "f")

    return _each(case, kinds, finer), factors["money"]


def _factors(units: int, price: int, money: int) -> dict[str, Decimal]:
    """How much smaller each unit has to be, from the decimals that there are."""
    fewer = max(units - MOST, 0)
    left = max(price - MOST, units - fewer + price - TOGETHER, money - fewer - MOST, 0)
    ten = Decimal(10)
    return {"units": ten**fewer, "price": ten**left, "money": ten ** (fewer + left)}


def _each(value: Any, kinds: Mapping[str, str], change: Change, of: str = "") -> Any:
    """The same with every number that has a kind changed."""
    if isinstance(value, Mapping):
        inherited = of if of in _BY_UNIT else ""
        return {
            name: one if name in _FIGURES else _each(one, kinds, change, inherited or name)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_each(one, kinds, change, of) for one in value]
    is_number = isinstance(value, str) and of in kinds
    return change(kinds[of], value) if is_number else value
