"""From what pydantic found wrong to sentences that name the line, the key and what to do."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from meterhouse.catalog.fields import nearest

Location = tuple[str | int, ...]
QUOTED = re.compile(r"'([^']+)'")
HEADER = ["kind", "id", "valid_from"]
# Pydantic's own words name Python's types; these name what is written in the file.
WORDS = {
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "union_tag_not_found": "needs the key `model`, which says how the price works",
}


def sentences(
    error: ValidationError,
    model: type[BaseModel],
    value: Any,
    lines: Mapping[Location, int],
    *,
    of_keys_only: bool = False,
) -> Iterator[tuple[int, str]]:
    """Line (0 when unknown) and sentence of each fault that is not a consequence of another;
    `of_keys_only` leaves out what is wrong with the document as a whole."""
    for detail in error.errors(include_url=False):
        if not _is_consequence(detail) and (detail["loc"] or not of_keys_only):
            path = _path(detail["loc"], value)
            if detail["type"] == "union_tag_invalid":
                path = (*path, detail["ctx"]["discriminator"].strip("'"))
            yield mark_of(_marked(detail, path), lines), _sentence(detail, model, path)


def mark_of(path: Location, marks: Mapping[Location, int]) -> int:
    """The mark (line or column) of a path, or of the nearest that holds it; 0 without any."""
    return next((marks[path[:n]] for n in range(len(path), 0, -1) if path[:n] in marks), 0)


def _marked(detail: ErrorDetails, path: Location) -> Location:
    """A missing key has no line, but in a CSV file it may have a column."""
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else path


def _is_consequence(detail: ErrorDetails) -> bool:
    """A default that hangs on a faulty field, or a list found empty because its entries failed."""
    is_emptied = detail["type"] == "too_short" and len(detail["input"]) > 0
    return is_emptied or detail["type"] == "default_factory_not_called"


def dotted(path: Location) -> str:
    """A path as people write it: items[0].price."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).lstrip(".")


def _sentence(detail: ErrorDetails, model: type[BaseModel], path: Location) -> str:
    last = str(detail["loc"][-1]) if detail["loc"] else ""
    if detail["type"] == "extra_forbidden":
        names = _names(model, detail["loc"][:-1])
        known = names if path[1:] else [*HEADER, *names]
        return f"unknown key {dotted(path)!r}; {nearest(last, known)}"
    if detail["type"] == "missing":
        inside = f" in `{dotted(path)}`" if path else ""
        return f"the key `{last}` is missing{inside}."
    reason = _reason(detail)
    return f"{_subject(path)}{reason}" + ("" if reason.endswith((".", "?")) else ".")


def _subject(path: Location) -> str:
    return f"`{dotted(path)}` " if path else ""


def _reason(detail: ErrorDetails) -> str:
    given = detail["input"]
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
        return f"{message} (given: {_shown(given)})" if _is_scalar(given) else message
    if detail["type"] == "string_type" and isinstance(given, int | date) and given is not None:
        return f"is a text: write it in quotes (given: {_shown(given)})"
    if detail["type"] in WORDS:
        return f"{WORDS[detail['type']]} (given: {_shown(given)})"
    if detail["type"] == "union_tag_invalid":
        tag, names = detail["ctx"]["tag"], QUOTED.findall(detail["ctx"]["expected_tags"])
        return f"is wrong (given: {_shown(tag)}); {nearest(tag, names)}"
    message = detail["msg"][0].lower() + detail["msg"][1:]
    near = _near(given, detail) if detail["type"] == "literal_error" else ""
    return f"is wrong: {message} (given: {_shown(given)}){near}"


def _near(given: Any, detail: ErrorDetails) -> str:
    """The hint at the value that was probably meant, where one is near."""
    names = QUOTED.findall(detail["ctx"]["expected"])
    close = get_close_matches(given.lower(), names, n=1) if isinstance(given, str) else []
    return f"; did you mean `{close[0]}`?" if close else ""


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | date)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        if not value:
            return "an empty mapping" if isinstance(value, dict) else "an empty list"
        return "a mapping" if isinstance(value, dict) else "a list"
    text = value.isoformat() if isinstance(value, date) else repr(value)
    return "nothing" if value is None else text if len(text) <= 60 else text[:57] + "..."


def _path(location: Location, value: Any) -> Location:
    """The location without what pydantic adds: names of union members, missing keys."""
    path: list[str | int] = []
    for part in location:
        is_key = isinstance(value, dict) and part in value
        is_index = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if is_key or is_index:
            path.append(part)
            value = value[part]
    return tuple(path)


def _names(model: type[BaseModel], location: Location) -> list[str]:
    """Names of the keys valid at a location."""
    models = [model]
    for part in location:
        fields = [one.model_fields.get(str(part)) for one in models]
        found = [m for f in fields if f is not None for m in _models(f.annotation)]
        models = found or [one for one in models if _is_tagged(one, part)] or models
    return [f.alias or name for one in models for name, f in one.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _is_tagged(model: type[BaseModel], tag: str | int) -> bool:
    field = model.model_fields.get("model")
    return field is not None and tag in get_args(field.annotation)
