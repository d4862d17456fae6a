"""From a CSV file to the plain values of its documents, one in each row.

A column is the path of a key (`address.city`), entries of lists are counted from 1
(`aliases.1.value`); a cell of a list or mapping holds JSON. An empty cell says nothing.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from meterhouse.catalog.csv_columns import LISTS, columns, holds, path_of
from meterhouse.catalog.faults import Location
from meterhouse.catalog.fields import nearest
from meterhouse.catalog.given import Places
from meterhouse.catalog.yaml_text import INTEGER

MAX_BYTES = 50 * 1024 * 1024
DELIMITERS = (",", ";", "\t")
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the kind of its document, its values, where they stand, and what is wrong."""

    kind: str
    values: dict[str, Any]
    places: Places
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Column:
    mark: int
    name: str
    path: Location
    holds: frozenset[str]


def rows(text: str, name: str) -> Iterator[Row]:
    """The rows of a file; the first may only hold faults of the file and its header."""
    stem = PurePosixPath(name).stem
    kind = LISTS.get(stem.partition("-")[0])
    if kind is None:
        where = Places(name, 1, {})
        hint = nearest(stem.partition("-")[0], list(LISTS))
        told = f"{name}:1: no list of the book has this name, so nobody would read it; {hint}"
        yield Row("", {}, where, [f"{told} Rename the file, or move it out of the book."])
        return
    yield from _File(name, kind).rows(text)


class _Whole(dict[str, Any]):
    """A mapping that one cell gives, to which other cells add nothing."""


class _File:
    """Reads one file; knows its header."""

    def __init__(self, name: str, kind: str) -> None:
        self._name, self._kind = name, kind
        self._names: Sequence[str] = ()
        self._columns: list[_Column] = []
        self._marks: dict[Location, int] = {}

    def rows(self, text: str) -> Iterator[Row]:
        first = text.partition("\n")[0]
        delimiter = max(DELIMITERS, key=first.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        line = 1
        try:
            for cells in reader:
                if line == 1:
                    yield from self._header(cells)
                elif any(cells):
                    yield self._row(cells, line)
                line = reader.line_num + 1
        except csv.Error as error:
            where = Places(self._name, line, {})
            told = f"{where.document}: is not CSV: {error}. A quote inside a text is written twice."
            yield Row(self._kind, {}, where, [told])

    def _header(self, cells: list[str]) -> Iterator[Row]:
        """A row only where the header has faults."""
        self._names = [cell.strip() for cell in cells]
        found = []
        for mark, name in enumerate(self._names, 1):
            path = path_of(name)
            kinds = holds(self._kind, path) if name else frozenset()
            if path in self._marks:
                found.append((mark, f"the column {name!r} is already given; keep one of the two."))
            elif kinds:
                self._marks[path] = mark
                self._columns.append(_Column(mark, name, path, kinds))
            elif name:
                hint = nearest(name, list(columns(self._kind)))
                found.append((mark, f"unknown column {name!r} of {self._kind}; {hint}"))
            else:
                found.append((mark, "the column has no name; name it or remove it."))
        if "id" not in self._names:
            found.append((1, "the column `id` is missing; every document needs one."))
        where = self._where(1)
        if found:
            yield Row(self._kind, {}, where, [f"{where.of(m)}: {told}" for m, told in found])

    def _where(self, line: int) -> Places:
        return Places(self._name, line, self._marks, self._names)

    def _row(self, cells: list[str], line: int) -> Row:
        where = self._where(line)
        if len(cells) != len(self._names):
            told = (
                f"{where.document}: the row has {len(cells)} cells, but the header has "
                f"{len(self._names)} columns. A text that holds the separator needs quotes."
            )
            return Row(self._kind, {}, where, [told])
        values: dict[Any, Any] = {}
        found: list[str] = []
        for column in self._columns:
            cell = cells[column.mark - 1].strip()
            if cell:
                try:
                    _put(values, column, _value(cell, column.holds))
                except ValueError as error:
                    who = f"{where.of(column.mark)}: {self._kind}"
                    found.append(f"{who}: `{column.name}` {error}")
        try:
            made = {key: _listed(value, str(key)) for key, value in values.items()}
        except ValueError as error:
            made, found = {}, [*found, f"{where.keyed(str(error))}: {self._kind}: {error}"]
        return Row(self._kind, made or values, where, found)


def _put(values: dict[Any, Any], column: _Column, value: Any) -> None:
    *above, last = column.path
    inside = values
    for part in above:
        inside = inside.setdefault(part, {})
        if type(inside) is not dict:
            raise ValueError(f"and the column `{part}` both say it; fill in one of the two.")
    if last in inside:
        raise ValueError("is also said by other columns; fill in one of the two.")
    inside[last] = _Whole(value) if isinstance(value, dict) else value


def _listed(value: Any, name: str) -> Any:
    """Mappings whose keys are numbers become lists."""
    if not isinstance(value, dict):
        return value
    made = {key: _listed(one, f"{name}.{_said(key)}") for key, one in value.items()}
    if not made or not all(isinstance(key, int) for key in made):
        return made
    for index in range(len(made)):
        if index not in made:
            raise ValueError(
                f"`{name}` has an entry {max(made) + 1}, but its entry {index + 1} is empty. "
                "Move the entries up."
            )
    return [made[index] for index in range(len(made))]


def _said(key: str | int) -> str:
    return str(key + 1) if isinstance(key, int) else key


def _value(cell: str, kinds: frozenset[str]) -> Any:
    if cell[0] in "[{" and kinds & {"json", "any"}:
        return _json(cell)
    if "text" in kinds:
        return cell
    if cell.lower() in BOOLEANS and kinds & {"boolean", "any"}:
        return BOOLEANS[cell.lower()]
    if INTEGER.fullmatch(cell) and kinds & {"integer", "any"}:
        return int(cell)
    if kinds == {"json"}:
        raise ValueError('holds a list or a mapping: write it as JSON, for example ["a", "b"].')
    return cell


def _json(cell: str) -> Any:
    try:
        return json.loads(
            cell, parse_float=str, parse_constant=_refused, object_pairs_hook=_without_repeats
        )
    except json.JSONDecodeError as error:
        told = f"is no JSON: {error.msg.lower()} at character {error.pos + 1} of the cell."
        raise ValueError(told) from None


def _refused(name: str) -> Any:
    raise ValueError(f"holds {name}, which is no number; write a decimal in quotes.")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("names a key twice in its JSON; keep one of the two.")
    return made
