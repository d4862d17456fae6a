"""A book made in Python: the same models, the same checks, YAML to keep or a commit to record.

from meterhouse.catalog.objects import Book

book = Book()
book.add("customer", "acme", Customer(name="Acme Ltd"))
book.add("contract", "acme-2024", {"customer": "acme", "plan": "pro", ...})
book.write(home / "book" / "acme.yaml")   # or: run.applying.apply_book(lake, book.reading())
"""

import io
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from meterhouse.catalog.fields import Strict, nearest, plain
from meterhouse.catalog.given import Document, Places, Reading
from meterhouse.catalog.kinds import KINDS
from meterhouse.catalog.loading import Read, gathered, read_values
from meterhouse.catalog.resolving import settle
from meterhouse.errors import BookFault


class Book:
    """Documents in the order in which they were added."""

    def __init__(self) -> None:
        self._given: list[tuple[str, dict[str, Any]]] = []

    def add(
        self,
        kind: str,
        id: str,
        content: Strict | Mapping[str, Any],
        valid_from: date | None = None,
    ) -> None:
        """Add a document: a model of its kind, or a mapping of keys as YAML has them."""
        if kind not in KINDS:
            told = f"unknown kind {kind!r}; {nearest(kind, list(KINDS))}"
            raise BookFault([f"{self._place(len(self._given))}: {told}"])
        if isinstance(content, Strict):
            # What was not said stays unsaid, so that a plan or product can say it.
            values = content.model_dump(mode="json", by_alias=True, exclude_unset=True)
        else:
            values = {key: _plain(value) for key, value in content.items()}
        since = {} if valid_from is None else {"valid_from": valid_from}
        self._given.append((kind, {"id": id, **since, **values}))

    def reading(self) -> Reading:
        """What was added, as `apply_book` and `plan_book` take it; faults are inside."""
        return gathered([self._read(index) for index in range(len(self._given))])

    def documents(self) -> list[Document]:
        """The documents as they would be recorded; raises BookFault with all faults."""
        reading = self.reading()
        documents, faults = settle(reading)
        if reading.faults or faults:
            raise BookFault([*reading.faults, *faults])
        return documents

    def write(self, path: Path) -> None:
        """Write all documents to one YAML file of a book; raises BookFault where one is wrong.

        Names of documents that stand elsewhere in the book are checked when it is applied.
        """
        reading = self.reading()
        if reading.faults:
            raise BookFault(reading.faults)
        path.write_text(self.yaml(), encoding="utf-8")

    def yaml(self) -> str:
        """The documents as YAML, as a person would write them."""
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        yaml.allow_unicode = True
        text = io.StringIO()
        yaml.dump_all([{"kind": kind, **values} for kind, values in self._given], text)
        return text.getvalue()

    def _read(self, index: int) -> Read:
        kind, values = self._given[index]
        return read_values(kind, values, Places(self._place(index), 0, {}))

    def _place(self, index: int) -> str:
        return f"document {index + 1}"


def _plain(value: Any) -> Any:
    """The value as YAML has it: models as mappings, decimals as text."""
    if isinstance(value, Strict):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
