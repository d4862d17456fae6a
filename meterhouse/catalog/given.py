"""What was given for the book: documents with their places, and those that hang on others."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from meterhouse.catalog.faults import Location, mark_of
from meterhouse.catalog.fields import Strict

KEY = re.compile(r"`([a-z_][A-Za-z0-9_.\[\]-]*)`")
PART = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its slot, its canonical content, and where it was written."""

    kind: str
    id: str
    valid_from: date | None
    content: dict[str, Any]
    path: str
    line: int
    places: "Places | None" = field(default=None, compare=False, repr=False)

    @property
    def slot(self) -> tuple[str, str, date | None]:
        """The place in the book that this document fills."""
        return self.kind, self.id, self.valid_from

    @property
    def place(self) -> str:
        """Where a person finds it: file and line."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def fault(self, sentence: str) -> str:
        """The sentence with place, kind and id before it."""
        place = self.places.keyed(sentence) if self.places else self.place
        return f"{place}: {self.kind} {self.id!r}: {sentence}"


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A contract whose terms name plan, products or prices: its values as they were written."""

    kind: str
    id: str
    valid_from: date | None
    value: dict[str, Any]
    places: "Places"
    # Whether it takes what the catalog says now, and not what was recorded for it before.
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """Where the values of one document were written, to say so in a fault.

    `marks` are lines of the paths of a YAML document, or for a row of a CSV file its columns.
    """

    path: str
    line: int
    marks: Mapping[Location, int]
    columns: Sequence[str] = ()

    @property
    def document(self) -> str:
        """Where the document begins."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def of(self, mark: int) -> str:
        """Where a mark is: file and line, in a CSV file also the column."""
        if self.columns and mark:
            name = self.columns[mark - 1]
            return f"{self.path}:{self.line}: column {letters(mark)} `{name}`"
        return f"{self.path}:{mark or self.line}" if self.line else self.path

    def keyed(self, sentence: str) -> str:
        """Where the key is that a sentence begins with; in a CSV file its column, else the id's."""
        if not self.columns:
            return self.document
        key = KEY.search(sentence)
        path = tuple(int(p) if p.isdigit() else p for p in PART.findall(key[1])) if key else ()
        below = (m for at, m in self.marks.items() if path and at[: len(path)] == path)
        return self.of(mark_of(path, self.marks) or next(below, self.marks.get(("id",), 0)))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a folder, or whoever brings documents, gave; headers are of all, also faulty ones."""

    documents: list[Document] = field(default_factory=list)
    unsettled: list[Unsettled] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    headers: list[tuple[str, str, date | None]] = field(default_factory=list)


def canonical(model: Strict) -> dict[str, Any]:
    """The content of a document: all defaults filled in, decimals as text, dates as ISO text."""
    return model.model_dump(mode="json", by_alias=True)


def letters(column: int) -> str:
    """The name of a column in a spreadsheet: 1 is A, 27 is AA."""
    text = ""
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
