"""`--filter customer=acme,max-total=500`: which drafts and documents are meant."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from meterhouse.errors import UsageError
from meterhouse.nearest import did_you_mean

if TYPE_CHECKING:
    import duckdb


class Filter(NamedTuple):
    """SQL over `documents`, which holds no word of the input, and its parameters."""

    where: str = "true"
    parameters: tuple[Any, ...] = ()
    # Ids that have to be known, by the table that knows them.
    named: tuple[tuple[str, str], ...] = ()


EVERYTHING = Filter()
_PARTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "customer": ("documents.customer_id = ?", str),
    "contract": ("documents.contract_id = ?", str),
    "entity": ("documents.entity_id = ?", str),
    "currency": ("documents.currency = ?", str.upper),
    "kind": ("documents.kind = ?", str),
    "min-total": ("documents.total >= ?", Decimal),
    "max-total": ("documents.total <= ?", Decimal),
    "from": ("documents.boundary_on >= ?", date.fromisoformat),
    "until": ("documents.boundary_on < ?", date.fromisoformat),
}
_KNOWN = {"customer": "book.customers", "entity": "book.entities"}


def filter_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--filter`, which gives the command a Filter as `chosen`."""
    return click.option(
        "--filter",
        "chosen",
        multiple=True,
        metavar="KEY=VALUE,...",
        callback=lambda _context, _param, texts: parsed(texts),
        help=f"Only those that all of these hold for: {', '.join(_PARTS)}. Repeatable.",
    )(command)


def parsed(texts: Sequence[str]) -> Filter:
    """The filter that the texts ask for together; raises UsageError with all that is wrong."""
    where, parameters, named, faults = [], [], [], []
    for part in (one.strip() for text in texts for one in text.split(",")):
        key, separator, value = part.partition("=")
        if not separator or not value or key not in _PARTS:
            hint = did_you_mean(key, _PARTS) or f"; write KEY=VALUE, with {', '.join(_PARTS)}"
            faults.append(f"{part!r} is no filter{hint.rstrip('?')}.")
            continue
        clause, read = _PARTS[key]
        try:
            parameters.append(read(value))
        except (ValueError, ArithmeticError):
            faults.append(f"{value!r} is no value for {key}: amounts are 12.50, days 2023-12-01.")
            continue
        where.append(clause)
        named += [(key, value)] if key in _KNOWN else []
    if faults:
        raise UsageError("\n".join([*faults, "Nothing was changed."]))
    return Filter(" and ".join(where) or "true", tuple(parameters), tuple(named))


def refuse_unknown(db: "duckdb.DuckDBPyConnection", chosen: Filter) -> None:
    """Raise UsageError for each customer and entity that the book does not have."""
    faults = []
    for key, value in chosen.named:
        rows = db.execute(f"select {key}_id from {_KNOWN[key]}").fetchall()
        known = [row[0] for row in rows]
        if value not in known:
            faults.append(f"The book has no {key} {value!r}{did_you_mean(value, known) or '.'}")
    if faults:
        raise UsageError("\n".join([*faults, "Nothing was changed."]))
