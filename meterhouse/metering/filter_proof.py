"""Filters that hold for no event or for every event, as far as that can be proven cheaply.

For each property a few *worlds* stand for all its values: in each one every condition on it has one
answer. A filter that holds in no combination of worlds holds for no event.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import chain, product

from meterhouse.metering.filter_holds import Present, decide, is_met
from meterhouse.metering.filter_sql import DIGITS
from meterhouse.metering.filter_tree import And, Condition, Node, Or, conditions

NEVER, ALWAYS = "never", "always"
LIMIT = 50_000  # Answers that are asked for in one proof: a few hundredths of a second.
MAX_PATTERNS = 8
PATTERNS = {"starts with", "ends with", "contains"}
Types = Mapping[str, tuple[str, int | None]]
World = Mapping[Condition, bool]


def decided(root: Node, types: Types) -> tuple[str, Node] | None:
    """NEVER or ALWAYS, and the part that proves it; None where nothing is proven."""
    wanted = {NEVER} if isinstance(root, And) else {ALWAYS} if isinstance(root, Or) else set()
    for part in _parts_of_one_property(root):
        verdict = _verdict(part, types)
        if verdict in wanted:
            return verdict, part
    whole = _verdict(root, types)
    return (whole, root) if whole else None


def _parts_of_one_property(root: Node) -> Iterator[Node]:
    """Of a root that joins parts: those which ask one property only, together per property."""
    if not isinstance(root, And | Or):
        return
    grouped: dict[str, list[Node]] = {}
    for part in root.parts:
        names = {one.name for one in conditions(part)}
        if len(names) == 1:
            grouped.setdefault(names.pop(), []).append(part)
    for parts in grouped.values():
        yield parts[0] if len(parts) == 1 else type(root)(tuple(parts))


def _verdict(node: Node, types: Types) -> str | None:
    asked = list(dict.fromkeys(conditions(node)))
    names = sorted({one.name for one in asked})
    worlds = [_worlds([one for one in asked if one.name == name], *types[name]) for name in names]
    if not all(worlds) or math.prod(map(len, worlds)) * len(asked) > LIMIT:
        return None
    answers = {_holds_in(node, combination) for combination in product(*worlds)}
    return (ALWAYS if answers.pop() else NEVER) if len(answers) == 1 else None


def _holds_in(node: Node, worlds: Sequence[World]) -> bool:
    truth = dict(chain.from_iterable(world.items() for world in worlds))
    return decide(node, truth.__getitem__)


def _worlds(asked: Sequence[Condition], kind: str, decimals: int | None) -> list[World]:
    """Worlds that stand for all values of a property; none where there would be too many."""
    literals = list(dict.fromkeys(value.value for one in asked for value in one.values))
    if len(literals) ** 2 > LIMIT:  # Each literal is compared with each one.
        return []
    samples: list[Present | None] = [None, *_samples(literals, kind, decimals)]
    known: list[World] = [{one: is_met(one, sample) for one in asked} for sample in samples]
    if kind != "string":
        return known
    others = _other_texts(asked)
    return [*known, *others] if others else []


def _samples(literals: Sequence[Present], kind: str, decimals: int | None) -> list[Present]:
    if kind == "boolean":
        return [True, False]
    if kind == "string":
        return list(literals)
    return _numbers([one for one in literals if isinstance(one, Decimal)], decimals or 0)


def _numbers(literals: Sequence[Decimal], decimals: int) -> list[Present]:
    """The numbers a column can hold at, just below and just above each literal, and zero."""
    largest = 10**DIGITS - 1
    steps = {0}
    for literal in literals:
        below = math.floor(Fraction(literal) * 10**decimals)
        steps |= {min(max(below + move, -largest), largest) for move in (-1, 0, 1, 2)}
    return [Decimal(f"{step}e-{decimals}") for step in sorted(steps)]


def _other_texts(asked: Sequence[Condition]) -> list[World]:
    """Worlds of the texts that no condition names: any patterns may fit that agree with another."""
    patterns = [one for one in asked if one.operator in PATTERNS]
    if len(patterns) > MAX_PATTERNS:
        return []
    plain = {one: one.operator in ("!=", "not in", "is present") for one in asked}
    guesses = product((False, True), repeat=len(patterns))
    fitting = (dict(zip(patterns, guess, strict=True)) for guess in guesses)
    return [plain | fits for fits in fitting if _can_be(fits)]


def _can_be(fits: World) -> bool:
    """Whether no two answers contradict each other; not all contradictions are seen."""
    true = [one for one, is_fitting in fits.items() if is_fitting]
    return all(
        not _excludes(one, other) if is_fitting else not _implies(one, other)
        for one in true
        for other, is_fitting in fits.items()
    )


def _implies(one: Condition, other: Condition) -> bool:
    """Whether each text that fits one pattern fits the other."""
    text = one.values[0]
    if other.operator == "contains" or one.operator == other.operator:
        return is_met(other, text.value)
    return other.values[0].value == ""


def _excludes(one: Condition, other: Condition) -> bool:
    """Whether no text fits both, as with two different beginnings."""
    if one.operator != other.operator or one.operator == "contains":
        return False
    return not (_implies(one, other) or _implies(other, one))
