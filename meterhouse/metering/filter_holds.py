"""Whether a filter holds for one event: slow and obvious, what the SQL is compared with."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from meterhouse.metering.filter_tree import And, Condition, Filter, Node, Not, Or

Present = str | Decimal | bool
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, other: value == other,
    "!=": lambda value, other: value != other,
    "<": lambda value, other: value < other,
    "<=": lambda value, other: value <= other,
    ">": lambda value, other: value > other,
    ">=": lambda value, other: value >= other,
    "starts with": str.startswith,
    "ends with": str.endswith,
    "contains": lambda value, other: other in value,
}


def holds(filter: Filter, values: Mapping[str, Present | None]) -> bool:
    """Whether the filter holds for the values of an event; None or no key is a missing value."""
    return decide(filter.root, lambda condition: is_met(condition, values.get(condition.name)))


def decide(node: Node | None, ask: Callable[[Condition], bool]) -> bool:
    """Whether a part holds when `ask` says which conditions do."""
    match node:
        case None:
            return True
        case Condition():
            return ask(node)
        case Not(part):
            return not decide(part, ask)
        case And(parts):
            return all(decide(part, ask) for part in parts)
        case Or(parts):
            return any(decide(part, ask) for part in parts)


def is_met(condition: Condition, value: Present | None) -> bool:
    """Whether one value meets a condition; every comparison with a missing value is false."""
    if condition.operator == "is missing":
        return value is None
    if value is None:
        return False
    others = [_same_kind(condition, value, one.value) for one in condition.values]
    match condition.operator:
        case "is present":
            return True
        case "in":
            return value in others
        case "not in":
            return value not in others
        case operator:
            return COMPARE[operator](value, others[0])


def _same_kind(condition: Condition, value: Present, other: Present) -> Present:
    """The literal; Python would say that true is 1, and the engine that '1' is."""
    if type(value) is not type(other):
        raise TypeError(
            f"{condition.name} is {value!r} and the filter compares it with {other!r}; "
            "a filter with faults is not evaluated"
        )
    return other
