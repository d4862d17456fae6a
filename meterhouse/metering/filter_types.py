"""Whether a filter fits the types of the properties it asks."""

from collections.abc import Iterator, Mapping

from meterhouse.metering.filter_proof import NEVER, decided
from meterhouse.metering.filter_tree import Condition, Filter, Kind, conditions
from meterhouse.metering.filters import node_text
from meterhouse.nearest import did_you_mean, known_names

Types = Mapping[str, tuple[str, int | None]]
SAME = ("=", "!=", "in", "not in")
THERE = ("is missing", "is present")
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "string": (*SAME, "starts with", "ends with", "contains", *THERE),
    "boolean": (*SAME, *THERE),
    "integer": ("=", "!=", "<", "<=", ">", ">=", "in", "not in", *THERE),
    "decimal": ("=", "!=", "<", "<=", ">", ">=", "in", "not in", *THERE),
}
VALUES: Mapping[str, tuple[Kind, str]] = {
    "string": ("text", "a text in single quotes"),
    "boolean": ("boolean", "true or false"),
    "integer": ("decimal", "a number such as 100"),
    "decimal": ("decimal", "a number such as 100.5"),
}


def faults(filter: Filter, types: Types) -> list[str]:
    """What is wrong, one sentence each; `types` has type and decimals of each property."""
    unknown = [_unknown(name, types) for name in sorted(filter.properties - types.keys())]
    asked = [one for one in conditions(filter.root) if one.name in types]
    found = unknown + [fault for one in asked for fault in _misfit(one, *types[one.name])]
    # What cannot be asked at all is told first: a proof about it would mean nothing.
    return list(dict.fromkeys(found)) or list(_vain(filter, types))


def _unknown(name: str, types: Types) -> str:
    hint = did_you_mean(name, types) or f"; it has {known_names(types)}."
    return f"the filter reads property {name!r}, which the event type does not have{hint}"


def _misfit(condition: Condition, kind: str, decimals: int | None) -> Iterator[str]:
    said, subject = f"`{node_text(condition)}`", f"property {condition.name!r}"
    typed = kind if decimals is None else f"{kind} with {decimals} decimals"
    if condition.operator not in OPERATORS[kind]:
        yield (
            f"{said} cannot be asked of {subject}, which is {typed}; its operators are "
            f"{', '.join(OPERATORS[kind])}."
        )
        return
    wanted, example = VALUES[kind]
    wrong = sorted({one.kind for one in condition.values} - {wanted})
    if wrong:
        yield (
            f"{said} compares {subject}, which is {typed}, with a {' and a '.join(wrong)}; "
            f"write {example}."
        )


def _vain(filter: Filter, types: Types) -> Iterator[str]:
    """The fault of a filter whose answer is known before any event is seen."""
    found = filter.root and decided(filter.root, types)
    if not found:
        return
    verdict, part = found
    said = f"`{node_text(part)}`"
    if verdict == NEVER:
        yield f"the filter matches no event, because no value makes {said} true; correct it."
    else:
        yield f"the filter matches every event, because every value makes {said} true; correct it."
