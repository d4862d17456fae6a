"""Attributes that the book defines itself: what documents carry under `custom` has their types."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from meterhouse.catalog.fields import day, exact, nearest, plain
from meterhouse.catalog.given import Document
from meterhouse.catalog.plan import Version, newest

INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
BOOLEAN: Mapping[str, bool] = {"true": True, "false": False}


def typed(
    documents: Sequence[Document], defining: Sequence[Document], recorded: Sequence[Version]
) -> tuple[list[Document], list[str]]:
    """The documents with the values of their attributes in canonical form, and the faults.

    Attributes are `defining` documents, or else recorded ones.
    """
    before = [one for one in newest(recorded).values() if one.kind == "attribute"]
    given = [one for one in defining if one.kind == "attribute"]
    known = _defined(before) | _defined(given)
    found = _changed([one for one in documents if one.kind == "attribute"], _defined(before))
    if not known and not any(one.content.get("custom") for one in documents):
        return list(documents), found
    made = [_typed(one, known, found) for one in documents]
    return made, found


def _defined(documents: Sequence[Document | Version]) -> dict[str, dict[str, Any]]:
    ordered = sorted(documents, key=lambda one: one.valid_from or date.min)
    return {one.id: one.content for one in ordered}


def _changed(given: Sequence[Document], before: Mapping[str, dict[str, Any]]) -> list[str]:
    return [
        f"{one.place}: attribute {one.id!r}: `type` is {one.content['type']}, but documents are "
        f"recorded with {before[one.id]['type']}. Define another attribute."
        for one in given
        if one.id in before and before[one.id]["type"] != one.content["type"]
    ]


def _typed(document: Document, known: Mapping[str, dict[str, Any]], found: list[str]) -> Document:
    custom: dict[str, Any] = document.content.get("custom") or {}
    values: dict[str, Any] = {}
    for name, value in custom.items():
        try:
            values[name] = _value(name, value, document.kind, known)
        except ValueError as error:
            found.append(document.fault(f"`custom.{name}` {error}"))
    for name in _missing(custom, document.kind, known):
        sentence = f"the key `custom.{name}` is missing; every {document.kind} needs it."
        found.append(document.fault(sentence))
    if not custom or values == custom:
        return document
    return replace(document, content={**document.content, "custom": values})


def _missing(
    custom: Mapping[str, Any], kind: str, known: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    for name, attribute in known.items():
        if attribute["required"] and kind in attribute["kinds"] and name not in custom:
            yield name


def _value(name: str, value: Any, kind: str, known: Mapping[str, dict[str, Any]]) -> Any:
    attribute = known.get(name)
    if attribute is None or kind not in attribute["kinds"]:
        fitting = [one for one, content in known.items() if kind in content["kinds"]]
        hint = nearest(name, fitting) if fitting else "add a document of kind attribute for it."
        raise ValueError(f"is no attribute of kind {kind}; {hint}")
    try:
        typed_value = _of_type(attribute["type"], value)
    except ValueError as error:
        raise ValueError(f"{error} (given: {value!r}).") from None
    _listed(attribute, typed_value)
    return typed_value


def _listed(attribute: dict[str, Any], value: Any) -> None:
    allowed = attribute["values"]
    if allowed is not None and isinstance(value, str) and value not in allowed:
        raise ValueError(f"is none of its values (given: {value!r}); {nearest(value, allowed)}")


def _of_type(type: str, value: Any) -> Any:
    """The value in the form in which its type is recorded; texts are taken, as in CSV files."""
    text = str(value)
    is_text = isinstance(value, str)
    if type == "string":
        if not is_text:
            raise ValueError("is a text: write it in quotes")
        return value
    if type == "boolean":
        if not isinstance(value, bool) and not (is_text and text.lower() in BOOLEAN):
            raise ValueError("is true or false")
        return BOOLEAN[text.lower()]
    if type == "integer":
        if isinstance(value, bool) or not INTEGER.fullmatch(text):
            raise ValueError("is a whole number")
        return int(text)
    if type == "decimal":
        return plain(exact(value))
    if not is_text:
        raise ValueError("is a date, written YYYY-MM-DD")
    return day(text).isoformat()
