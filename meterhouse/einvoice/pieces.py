"""A line as quantities times prices: what a buyer's system can add up again.

A rounded line over several tiers has no one price. It becomes one piece for each tier and flat
amount; the cents that rounding leaves go to the pieces with the largest remainders, so that the
pieces add up to the line.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

ONE = Decimal(1)


class Piece(NamedTuple):
    """`quantity` times `price` (never below 0) is `net` but for the cents of its rounding."""

    quantity: Decimal
    price: Decimal
    net: Decimal
    is_measured: bool


def pieces_of(line: Mapping[str, Any], cent: Decimal) -> list[Piece]:
    """The pieces of a line of a document; `cent` is the smallest unit of its currency."""
    amount, exact = Decimal(line["amount"]), Decimal(line["unrounded"])
    parts = [part for step in line["steps"] for part in _parts(step)]
    # The steps of a correction tell what is due in all, of which it is the part not billed yet.
    is_whole = abs(amount - exact) < cent and sum(q * p for q, p, _ in parts) == exact
    if not parts or amount <= 0 or not is_whole:
        sign = -ONE if amount < 0 else ONE
        whole = _unit_price(line, amount)
        return [whole or Piece(sign, abs(amount), amount, is_measured=False)]
    nets = shared(amount, [quantity * price for quantity, price, _ in parts], cent)
    return [Piece(q, p, net, m) for (q, p, m), net in zip(parts, nets, strict=True)]


def _parts(step: Mapping[str, Any]) -> list[tuple[Decimal, Decimal, bool]]:
    """Quantities and prices of one step of the price; none of one that costs nothing."""
    unit, flat = (Decimal(step.get(name) or 0) for name in ("unit_amount", "flat_amount"))
    amount, quantity = Decimal(step.get("amount") or 0), Decimal(step.get("quantity") or 0)
    if not amount:
        return []
    if unit * quantity + flat != amount or min(unit, flat, quantity) < 0:
        return [(ONE, amount, False)] if amount > 0 else [(-ONE, -amount, False)]
    measured = [(quantity, unit, True)] if unit * quantity else []
    return [*measured, *([(ONE, flat, False)] if flat else [])]


def _unit_price(line: Mapping[str, Any], amount: Decimal) -> Piece | None:
    """The line as its quantity times one price, where nothing was rounded away."""
    price, quantity = line["price"] or {}, Decimal(line["quantity"])
    unit = Decimal(price.get("unit_amount") or price.get("amount") or 0)
    if unit > 0 and quantity * unit == amount and amount:
        return Piece(quantity, unit, amount, is_measured=line["meter"] is not None)
    return None


def shared(total: Decimal, exact: Sequence[Decimal], cent: Decimal) -> list[Decimal]:
    """The total in parts near the exact ones: rounded down, the rest by largest remainder."""
    floors = [(one / cent).to_integral_value(ROUND_FLOOR) for one in exact]  # exact: cents are tens
    left = int(total / cent - sum(floors))  # exact: both are whole cents
    order = sorted(range(len(exact)), key=lambda n: (floors[n] - exact[n] / cent, n))
    more = set(order[:left])
    return [(floor + (n in more)) * cent for n, floor in enumerate(floors)]
