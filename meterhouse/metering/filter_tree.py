"""The parts of a filter: conditions on properties, joined by and, or and not."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

Kind = Literal["text", "decimal", "boolean"]
Operator = Literal[
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not in",
    "starts with",
    "ends with",
    "contains",
    "is missing",
    "is present",
]


class Value(NamedTuple):
    """A value as written; the kind is compared first, because for Python 1 equals true."""

    kind: Kind
    value: str | Decimal | bool


@dataclass(frozen=True)
class Condition:
    """One question to one property; `values` is empty for is missing and is present."""

    name: str
    operator: Operator
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class And:
    """Two or more parts that must all hold."""

    parts: tuple["Node", ...]

    def __post_init__(self) -> None:
        _at_least_two(self.parts)


@dataclass(frozen=True)
class Or:
    """Two or more parts of which one must hold."""

    parts: tuple["Node", ...]

    def __post_init__(self) -> None:
        _at_least_two(self.parts)


@dataclass(frozen=True)
class Not:
    """A part that must not hold."""

    part: "Node"


Node = Condition | And | Or | Not


@dataclass(frozen=True)
class Filter:
    """Which events a meter reads; without a root it reads all of them."""

    root: Node | None = None

    @property
    def properties(self) -> frozenset[str]:
        """The names of the properties that are asked."""
        return frozenset(one.name for one in conditions(self.root))


def conditions(node: Node | None) -> Iterator[Condition]:
    """The conditions below a node, from left to right."""
    match node:
        case Condition():
            yield node
        case Not(part):
            yield from conditions(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from conditions(part)


def _at_least_two(parts: tuple[Node, ...]) -> None:
    if len(parts) < 2:
        raise ValueError(f"and, or join two or more parts of a filter, not {len(parts)}")
