"""The parts of a formula: numbers, names, arithmetic, comparisons, choices and functions."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

# How many arguments each function takes; the second of round, ceil and floor is how many decimals
# stay, a number from 0 to 12.
FUNCTIONS = {"min": (2, 20), "max": (2, 20), "round": (1, 2), "ceil": (1, 2), "floor": (1, 2),
             "abs": (1, 1)}  # fmt: skip
ROUNDING = frozenset({"round", "ceil", "floor"})
WORDS = frozenset({"if", "then", "else", "and", "or", "not"})
RESERVED = WORDS | FUNCTIONS.keys()


@dataclass(frozen=True)
class Number:
    """A number as written."""

    value: Decimal


@dataclass(frozen=True)
class Name:
    """A quantity or a constant."""

    name: str


@dataclass(frozen=True)
class Negative:
    """A value with its sign turned round."""

    value: "Value"


@dataclass(frozen=True)
class Arithmetic:
    """Two values joined by +, -, * or /."""

    operator: str
    left: "Value"
    right: "Value"


@dataclass(frozen=True)
class Call:
    """A function of some values; `places` is the decimals that a rounding keeps."""

    function: str
    values: tuple["Value", ...]
    places: int = 0


@dataclass(frozen=True)
class If:
    """One of two values, by a condition."""

    condition: "Condition"
    then: "Value"
    otherwise: "Value"


@dataclass(frozen=True)
class Comparison:
    """Two values compared by =, !=, <, <=, > or >=."""

    operator: str
    left: "Value"
    right: "Value"


@dataclass(frozen=True)
class Joined:
    """Two conditions joined by `and` or `or`."""

    word: str
    left: "Condition"
    right: "Condition"


@dataclass(frozen=True)
class Not:
    """A condition turned round."""

    condition: "Condition"


Value = Number | Name | Negative | Arithmetic | Call | If
Condition = Comparison | Joined | Not


def names(node: Value | Condition) -> Iterator[str]:
    """The names that are read, from left to right."""
    match node:
        case Number():
            return
        case Name(name):
            yield name
        case Negative(value):
            yield from names(value)
        case Call(_, values):
            for value in values:
                yield from names(value)
        case If(condition, then, otherwise):
            for part in (condition, then, otherwise):
                yield from names(part)
        case Not(condition):
            yield from names(condition)
        case Arithmetic(_, left, right) | Comparison(_, left, right) | Joined(_, left, right):
            yield from names(left)
            yield from names(right)
