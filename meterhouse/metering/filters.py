"""Filters as text: read, written, and made from the shorthand of a mapping."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from meterhouse.catalog.fields import plain
from meterhouse.metering.filter_errors import FilterError
from meterhouse.metering.filter_grammar import KEYWORDS
from meterhouse.metering.filter_tree import And, Condition, Filter, Node, Not, Or, Value

__all__ = ["Filter", "FilterError", "from_values", "node_text", "parse", "to_text"]

MAX_CHARACTERS = 2000


def parse(text: str) -> Filter:
    """The filter that a text says; FilterError names the column and what was expected there."""
    # Imported here: a book without a filter text needs no parser; lark takes 30 ms to import.
    from meterhouse.metering.filter_reading import read

    _check_length(text, len(text))
    found = read(text)
    _check_length(text, len(to_text(found)))
    return found


def _check_length(text: str, characters: int) -> None:
    """Refuse a long text, also one that is long only with the spaces of its one spelling."""
    if characters > MAX_CHARACTERS:
        spelt = "" if characters == len(text) else f" ({len(text)} as it is written)"
        raise FilterError(
            f"has {characters} characters{spelt}, more than {MAX_CHARACTERS}; filter by a "
            "property that says the same in fewer words"
        )


def from_values(mapping: Mapping[str, Sequence[str | bool]]) -> Filter:
    """The filter that holds where every property has one of its values; {} holds for all events.

    It is not bounded as a text is, so its `to_text` may be longer than `parse` takes.
    """
    parts = tuple(_one_of(name, values) for name, values in mapping.items())
    return Filter(And(parts) if len(parts) > 1 else next(iter(parts), None))


def to_text(filter: Filter) -> str:
    """The one spelling of a filter; `parse(to_text(filter)) == filter`."""
    return "true" if filter.root is None else node_text(filter.root)


def node_text(node: Node) -> str:
    """The spelling of a part of a filter."""
    match node:
        case Condition(name, operator, values):
            return _condition_text(name, operator, values)
        case Not(part):
            return f"not {_within(part)}"
        case And(parts):
            return " and ".join(map(_within, parts))
        case Or(parts):
            # `and` binds closer, so it needs no parentheses here.
            return " or ".join(
                node_text(part) if isinstance(part, And) else _within(part) for part in parts
            )


def _one_of(name: str, values: Sequence[str | bool]) -> Condition:
    if not values:
        raise FilterError(f"has no value for property {name!r}")
    listed = tuple(Value("boolean" if isinstance(one, bool) else "text", one) for one in values)
    return Condition(name, "=" if len(listed) == 1 else "in", listed)


def _within(part: Node) -> str:
    """A part inside another, in the parentheses without which it would be read differently.

    No others: a filter's spelling is never nested deeper than what was parsed.
    """
    text = node_text(part)
    return f"({text})" if isinstance(part, And | Or) else text


def _condition_text(name: str, operator: str, values: tuple[Value, ...]) -> str:
    subject = f'"{name}"' if name in KEYWORDS else name
    listed = ", ".join(_value_text(one) for one in values)
    if operator in ("in", "not in"):
        return f"{subject} {operator} ({listed})"
    return f"{subject} {operator} {listed}" if values else f"{subject} {operator}"


def _value_text(value: Value) -> str:
    match value.value:
        case bool() as truth:
            return "true" if truth else "false"
        case Decimal() as number:
            return plain(number)
        case str() as text:
            return "'" + text.replace("'", "''") + "'"
