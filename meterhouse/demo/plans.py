"""What the demo company sells: three plans as items of a contract, priced in any currency."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

# Price lists are made in USD; each other currency has a fixed factor, as price lists do.
FACTORS = {"USD": Decimal(1), "JPY": Decimal(150), "KWD": Decimal("0.307")}
Item = dict[str, Any]
Steps = Sequence[tuple[str | None, str, str | None]]  # up to, unit amount, flat amount


def items(plan: str, currency: str, seats: int, raised: Decimal = Decimal(1)) -> list[Item]:
    """The items of a contract on a plan; `raised` multiplies every price."""
    factor = FACTORS[currency] * raised
    match plan:
        case "starter":
            return _starter(factor)
        case "growth":
            return _growth(factor, seats)
        case _:
            return _scale(factor)


def _starter(factor: Decimal) -> list[Item]:
    return [
        _fee("49", "Starter plan", factor),
        _usage("tokens_in", "Input tokens", _per_unit("3", "1000000", factor)),
        _usage("tokens_out", "Output tokens", _per_unit("12", "1000000", factor)),
    ]


def _growth(factor: Decimal, seats: int) -> list[Item]:
    read: Steps = [
        ("10000000", "0.0000028", None),
        ("50000000", "0.0000024", None),
        (None, "0.000002", None),
    ]
    written: Steps = [
        ("2000000", "0.000011", None),
        ("10000000", "0.00001", None),
        (None, "0.000009", None),
    ]
    seat = _fee("25", "Seats", factor) | {"id": "seats", "quantity": str(seats)}
    return [
        _fee("499", "Growth plan", factor),
        seat,
        _usage("tokens_in", "Input tokens", _graduated(read, factor)),
        _usage("tokens_out", "Output tokens", _graduated(written, factor)),
        _usage("storage", "Storage", _per_unit("0.00021", "1", factor)),
    ]


def _scale(factor: Decimal) -> list[Item]:
    read: Steps = [("100000000", "0.000002", "200"), (None, "0.0000015", "500")]
    written: Steps = [("20000000", "0.000008", "100"), (None, "0.000007", "250")]
    stored: Steps = [("100000", "0.0002", "20"), (None, "0.00015", None)]
    return [
        _fee("2500", "Scale plan", factor) | {"timing": "arrears"},
        _usage("tokens_in", "Input tokens", _graduated(read, factor)),
        _usage("tokens_out", "Output tokens", _graduated(written, factor)),
        _usage("requests", "Requests", _per_unit("0.4", "1000", factor)),
        _usage("storage", "Storage", _graduated(stored, factor)),
    ]


def _fee(amount: str, description: str, factor: Decimal) -> Item:
    price = {"model": "flat", "amount": _times(amount, factor)}
    return {"id": "plan", "description": description, "price": price}


def _usage(meter: str, description: str, price: Item) -> Item:
    return {
        "id": meter.replace("_", "-"),
        "description": description,
        "meter": meter,
        "price": price,
    }


def _per_unit(amount: str, per: str, factor: Decimal) -> Item:
    return {"model": "per_unit", "unit_amount": _times(amount, factor), "per": per}


def _graduated(steps: Steps, factor: Decimal) -> Item:
    tiers = []
    for up_to, unit_amount, flat_amount in steps:
        tier = {"up_to": up_to, "unit_amount": _times(unit_amount, factor)}
        if flat_amount is not None:
            tier["flat_amount"] = _times(flat_amount, factor)
        tiers.append(tier)
    return {"model": "graduated", "tiers": tiers}


def _times(amount: str, factor: Decimal) -> str:
    return format((Decimal(amount) * factor).normalize(), "f")
