"""What differs between two contents of one document: lines that came, went and changed, and heads.

Contents are canonical JSON as values; amounts are text and are compared as they are written.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# Where a line stands changes with every line before it.
_PLACE = "line_no"
_TOLD = ("description", "item", "contract", "amount", "quantity")


class Field(NamedTuple):
    """A value that is another one now; `path` is its keys joined by dots."""

    path: str
    old: Any
    new: Any


class LineChange(NamedTuple):
    """A line that `came`, `went` or `changed`; `line` is what of it a person reads."""

    change: str
    line_key: str
    line: dict[str, Any]
    fields: tuple[Field, ...]


class Difference(NamedTuple):
    """All that differs: fields of the document itself, then lines in the order of their keys."""

    fields: tuple[Field, ...]
    lines: tuple[LineChange, ...]


def content_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    """What of the document `old` is another thing in `new`."""
    heads, news = ({k: v for k, v in one.items() if k != "lines"} for one in (old, new))
    before, after = (_by_key(one.get("lines", [])) for one in (old, new))
    changes = [
        change
        for key in sorted(before.keys() | after.keys())
        if (change := _line(key, before.get(key), after.get(key))) is not None
    ]
    fields = [*_fields(heads, news)]
    if not fields and not changes:
        fields = _order(old, new)
    return Difference(tuple(fields), tuple(changes))


def _order(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Field]:
    """The keys of the lines, where nothing differs but their order."""
    one, other = ([line["line_key"] for line in each.get("lines", [])] for each in (old, new))
    return [Field("lines", one, other)] if one != other else []


def _by_key(lines: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """The lines by key; a key that stands twice is told apart by its turn."""
    seen: Counter[str] = Counter()
    found = {}
    for line in lines:
        key = str(line["line_key"])
        found[key, seen[key]] = {k: v for k, v in line.items() if k != _PLACE}
        seen[key] += 1
    return found


def _line(
    key: tuple[str, int], old: dict[str, Any] | None, new: dict[str, Any] | None
) -> LineChange | None:
    if old == new:
        return None
    told = {name: (new or old or {}).get(name) for name in _TOLD}
    if old is None or new is None:
        return LineChange("came" if old is None else "went", key[0], told, ())
    return LineChange("changed", key[0], told, tuple(_fields(old, new)))


def _fields(old: Mapping[str, Any], new: Mapping[str, Any], at: str = "") -> Iterator[Field]:
    """Every value that differs, the deepest that has a name."""
    for name in sorted(old.keys() | new.keys()):
        one, other, path = old.get(name), new.get(name), f"{at}{name}"
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _fields(one, other, f"{path}.")
        elif one != other:
            yield Field(path, one, other)
