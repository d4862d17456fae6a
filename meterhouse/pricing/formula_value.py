"""What a formula gives for one set of values: the slow twin of formula_columns.py.

Sums are exact; a product or a quotient is rounded once, half to even, to 18 decimals. A division
by zero gives None, and so does all that needs it: the branch of an `if` that is not taken does not.
"""

import operator
from collections.abc import Callable, Mapping
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    localcontext,
)
from typing import Any

from meterhouse.pricing.formula_tree import (
    Arithmetic,
    Call,
    Comparison,
    Condition,
    If,
    Joined,
    Name,
    Negative,
    Not,
    Number,
    Value,
)

_WIDE = Context(prec=96, rounding=ROUND_HALF_EVEN)
_PLACE = Decimal("1E-18")
COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_MODES = {"round": ROUND_HALF_UP, "ceil": ROUND_CEILING, "floor": ROUND_FLOOR}


def value(node: Value, names: Mapping[str, Decimal]) -> Decimal | None:
    """The value of a formula, or None where it divides by zero."""
    with localcontext(_WIDE):
        return _value(node, names)


def _value(node: Value, names: Mapping[str, Decimal]) -> Decimal | None:
    match node:
        case Number(number):
            return number
        case Name(name):
            return names[name]
        case Negative(part):
            inner = _value(part, names)
            return None if inner is None else -inner
        case Arithmetic(sign, left, right):
            return _arithmetic(sign, _value(left, names), _value(right, names))
        case Call(function, parts, places):
            values = [_value(part, names) for part in parts]
            known = [one for one in values if one is not None]
            return _call(function, known, places) if len(known) == len(values) else None
        case If(condition, then, otherwise):
            holds = _holds(condition, names)
            return None if holds is None else _value(then if holds else otherwise, names)


def _arithmetic(sign: str, left: Decimal | None, right: Decimal | None) -> Decimal | None:
    if left is None or right is None or (sign == "/" and right == 0):
        return None
    if sign in "+-":
        return left + right if sign == "+" else left - right
    # exact: products and quotients keep 18 decimals, as the columns of the engine do.
    return (left * right if sign == "*" else left / right).quantize(_PLACE)


def _call(function: str, values: list[Decimal], places: int) -> Decimal:
    if function in _MODES:
        return values[0].quantize(Decimal(1).scaleb(-places), rounding=_MODES[function])
    if function == "abs":
        return abs(values[0])
    return min(values) if function == "min" else max(values)


def _holds(node: Condition, names: Mapping[str, Decimal]) -> bool | None:
    match node:
        case Comparison(sign, left, right):
            low, high = _value(left, names), _value(right, names)
            if low is None or high is None:
                return None
            return bool(COMPARISONS[sign](low, high))
        case Not(condition):
            holds = _holds(condition, names)
            return None if holds is None else not holds
        case Joined(word, left, right):
            both = (_holds(left, names), _holds(right, names))
            decided = word == "or"
            if decided in both:
                return decided
            return None if None in both else not decided
