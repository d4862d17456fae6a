"""The columns of the lists: which there may be for a kind of document, and what a cell holds."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from meterhouse.catalog.faults import Location
from meterhouse.catalog.kinds import KINDS, Header
from meterhouse.contracts.documents import Contract
from meterhouse.contracts.item_terms import ItemTerms
from meterhouse.contracts.items import Item
from meterhouse.contracts.pins import PlanUse

# Name of a list to the kind of its documents.
LISTS: Mapping[str, str] = {
    "attributes": "attribute",
    "entities": "entity",
    "payment_terms": "payment_terms",
    "tax_rules": "tax_rule",
    "criteria": "criterion",
    "event_types": "event_type",
    "meters": "meter",
    "products": "product",
    "prices": "price",
    "plans": "plan",
    "customers": "customer",
    "contracts": "contract",
}
FILLED_IN: Mapping[type[BaseModel], frozenset[str]] = {
    Contract: frozenset({"pinned"}),
    Item: frozenset({"list_price", "from_plan"}),
    ItemTerms: frozenset({"list_price", "from_plan"}),
}
SCALARS: Mapping[Any, str] = {
    str: "text",
    date: "text",
    Decimal: "text",
    int: "integer",
    bool: "boolean",
    Any: "any",
}


def path_of(column: str) -> Location:
    """The path of a column: dots between keys, entries of lists counted from 1."""
    return tuple(int(p) - 1 if p.isdigit() else p for p in column.split("."))


@cache
def holds(kind: str, path: Location) -> frozenset[str]:
    """What a cell at the path holds: text, integer, boolean, any, json; nothing if unknown."""
    found = [KINDS[kind], Header] if len(path) and path[0] in Header.model_fields else [KINDS[kind]]
    inside: list[Any] = list(found)
    for part in path:
        inside = [two for one in inside for two in _step(one, part)]
    return frozenset(one for annotation in inside for one in _cell(annotation))


@cache
def columns(kind: str) -> tuple[str, ...]:
    """All columns of a template: keys joined by dots, the first entry of each list, and for what
    is nested deeper one column of JSON."""
    return tuple(dict.fromkeys([*Header.model_fields, *_columns((KINDS[kind],), "", ())]))


def _columns(models: tuple[Any, ...], prefix: str, above: tuple[Any, ...]) -> Iterator[str]:
    for model in models:
        for name, annotation in _fields(model).items():
            if name not in FILLED_IN.get(model, ()):
                yield from _below(annotation, f"{prefix}{name}", (*above, *models))


def _below(annotation: Any, column: str, above: tuple[Any, ...]) -> Iterator[str]:
    plain, nested, listed = [], [], []
    for one in _alternatives(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            nested.append(one)
        elif get_origin(one) in (tuple, list):
            listed += [two for two in _alternatives(get_args(one)[0]) if _is_model(two)]
            plain += [] if listed else [one]
        else:
            plain.append(one)
    if plain or set(nested) & set(above):
        yield column
    elif nested:
        yield from _columns(tuple(nested), f"{column}.", above)
    elif listed and any(part == "1" for part in column.split(".")):
        yield column
    elif listed:
        yield from _columns(tuple(listed), f"{column}.1.", above)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Name, as it is written, and type of each field; wider where the catalog may say the rest."""
    found: dict[str, Any] = {
        field.alias or name: field.annotation for name, field in model.model_fields.items()
    }
    if model is Contract:
        found["items"] = tuple[Item | ItemTerms, ...]
        found["plan"] = PlanUse
    return found


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    for one in _alternatives(annotation):
        if isinstance(part, int):
            if get_origin(one) in (tuple, list):
                yield get_args(one)[0]
        elif _is_model(one):
            fields = _fields(one)
            if part in fields:
                yield fields[part]
                # A plan may be named by its id alone.
                if one is Contract and part == "plan":
                    yield str
        elif get_origin(one) is dict:
            yield get_args(one)[1]
        elif one is Any:
            yield Any


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for one in get_args(annotation):
            yield from _alternatives(one)
    elif annotation is not type(None):
        yield annotation


def _cell(annotation: Any) -> Iterator[str]:
    for one in _alternatives(annotation):
        if get_origin(one) is Literal:
            yield from {SCALARS[type(value)] for value in get_args(one)}
        else:
            yield SCALARS.get(one, "json")
