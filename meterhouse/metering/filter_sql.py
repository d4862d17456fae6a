"""A filter as an expression of DuckDB that is true or false for every row and never NULL."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from meterhouse.metering.filter_tree import And, Condition, Filter, Node, Not, Or, Value

DIGITS = 18  # Of a typed property: decimal(18, s), see property_type in meterhouse/schema.py.
STEPS = 10**DIGITS  # In one; no property has a finer step than 1 / STEPS.
FUNCTIONS = {"starts with": "starts_with", "ends with": "ends_with", "contains": "contains"}

Column = Callable[[str], str]


def to_sql(filter: Filter, column: Column) -> str:
    """A boolean expression in parentheses.

    `column` gives the quoted SQL of a property's typed column: varchar, boolean or
    decimal(18, s). The filter has no `faults`.
    """
    return "true" if filter.root is None else _node(filter.root, column)


def _node(node: Node, column: Column) -> str:
    match node:
        case Condition():
            return _condition(node, column(node.name))
        case Not(part):
            return f"(not {_node(part, column)})"
        case And(parts):
            return f"({' and '.join(_node(part, column) for part in parts)})"
        case Or(parts):
            return f"({' or '.join(_node(part, column) for part in parts)})"


def _condition(condition: Condition, column: str) -> str:
    """A comparison is asked beside `is not null`: false and NULL is false, in SQL too.

    `coalesce(…, false)` says the same, but DuckDB does not compare it with the statistics of row
    groups, so it would read all of them.
    """
    if condition.operator == "is missing":
        return f"({column} is null)"
    is_present = f"({column} is not null)"
    if condition.operator == "is present":
        return is_present
    compared = _compared(condition, column)
    if isinstance(compared, str):
        return f"({is_present} and {compared})"
    return is_present if compared else "false"


def _compared(condition: Condition, column: str) -> str | bool:
    """The comparison of a value that is there, or what it gives for all values."""
    operator, values = condition.operator, condition.values
    if operator in FUNCTIONS:
        return f"{FUNCTIONS[operator]}({column}, {_literal(values[0])})"
    if operator in ("=", "!=", "in", "not in"):
        return _is_one_of(column, values, is_wanted=operator in ("=", "in"))
    return _ordered(column, operator, _decimal(values[0]))


def _is_one_of(column: str, values: Sequence[Value], is_wanted: bool) -> str | bool:
    reachable = [_literal(one) for one in values if _is_reachable(one)]
    if not reachable:
        return not is_wanted
    if len(reachable) == 1:
        return f"{column} {'=' if is_wanted else '!='} {reachable[0]}"
    return f"{column} {'in' if is_wanted else 'not in'} ({', '.join(reachable)})"


def _is_reachable(value: Value) -> bool:
    """Whether any column can hold the value; the others would not fit beside it in 38 digits."""
    if value.kind != "decimal":
        return True
    number = _decimal(value)
    return abs(number) < STEPS and not Fraction(number) * STEPS % 1


def _ordered(column: str, operator: str, number: Decimal) -> str:
    """The comparison with a number, or with the step below it where no column is that fine.

    A value v of whole steps is below x exactly when it is at most the step below x.
    """
    scaled = Fraction(max(min(number, Decimal(STEPS)), Decimal(-STEPS))) * STEPS
    if scaled % 1:
        operator = "<=" if operator in ("<", "<=") else ">"
    return f"{column} {operator} {_number(math.floor(scaled))}"


def _literal(value: Value) -> str:
    match value.value:
        case bool() as truth:
            return "true" if truth else "false"
        case Decimal() as number:
            return _number(int(Fraction(number) * STEPS))
        case str() as text:
            return _text(text)


def _number(steps: int) -> str:
    """A number of steps as an exact literal of at most 37 digits.

    Its type is the narrowest that holds it: DuckDB then leaves the column as it is instead of
    widening every value, and can compare it with the statistics of row groups.
    """
    whole, fraction = divmod(abs(steps), STEPS)
    decimals = f"{fraction:0{DIGITS}}".rstrip("0")
    text = f"{'-' if steps < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"
    return f"cast('{text}' as decimal({len(str(whole)) + len(decimals)}, {len(decimals)}))"


def _text(text: str) -> str:
    """A text literal; DuckDB ends a statement at a NUL, so that sign is put in by its number."""
    quoted = (f"'{part.replace(chr(39), chr(39) * 2)}'" for part in text.split("\0"))
    joined = " || chr(0) || ".join(quoted)
    return f"({joined})" if "\0" in text else joined


def _decimal(value: Value) -> Decimal:
    if not isinstance(value.value, Decimal):
        raise TypeError(f"{value.value!r} is no decimal; a filter with faults has no SQL")
    return value.value
