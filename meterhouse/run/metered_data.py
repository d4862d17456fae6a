"""What the recorded events say of the meters of a book: dimensions without bound, filters that
matched nothing, properties that are missing.

The last DAYS days before the newest recorded event are looked at, never the wall clock: one scan
for all meters, and one more of its own columns for each meter that tells apart by a property
without `values`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import duckdb

from meterhouse.catalog.documents import Property
from meterhouse.catalog.known import Book, Slot
from meterhouse.catalog.loading import Document
from meterhouse.catalog.meterable import filter_of, properties_of
from meterhouse.catalog.meters import Meter
from meterhouse.duck import identifier, literal
from meterhouse.metering.filter_sql import to_sql
from meterhouse.metering.filter_tree import conditions
from meterhouse.metering.filters import node_text
from meterhouse.nearest import nearest
from meterhouse.run.meter_rules import column_of
from meterhouse.schema import PROPERTY_PREFIX, property_type

DAYS = 30
# A property that is missing in more percent of the events that a meter reads is told.
MISSING_PERCENT = 5
# With fewer events, values that are all different say nothing.
ENOUGH = 1000
OWN_PERCENT = 90
SHOWN = 3

Key = tuple[str, str, date | None]


class Told(NamedTuple):
    """Sentences: `faults` refuse the book, `warnings` do not."""

    faults: list[str]
    warnings: list[str]


class _Asked(NamedTuple):
    """A meter in force lately, with the properties of its event type."""

    slot: Slot[Meter]
    carried: Mapping[str, Property]

    @property
    def event_type(self) -> str:
        return str(self.slot.model.event_type)

    @property
    def reads(self) -> str:
        """SQL over `events`: whether the meter reads the event."""
        matched = to_sql(filter_of(self.slot.model), column_of)
        return f"events.event_type = {literal(self.event_type)} and ({matched})"

    @property
    def loose(self) -> list[str]:
        """Its dimensions whose values nothing bounds."""
        return [
            name
            for name in self.slot.model.dimensions
            if self.carried[name].type != "boolean" and self.carried[name].values is None
        ]


class _Seen(NamedTuple):
    """Events of a meter's type, those that its filter matched, and those without its property."""

    events: int
    matched: int
    missing: int


def look(
    db: duckdb.DuckDBPyConnection,
    book: Book,
    changed: Collection[Key],
    *,
    is_strict_only: bool = False,
) -> Told:
    """What the events known to `facts.usage_events` say; only of `changed` slots it is a fault.

    The book has no static faults. `is_strict_only` leaves out what could only be a warning.
    """
    told = Told([], [])
    newest = _newest_day(db)
    asked = [] if newest is None else _asked(book, newest, changed)
    if is_strict_only:
        asked = [one for one in asked if one.loose and _key(one.slot.document) in changed]
    if newest is None or not asked:
        return told
    _make_recent(db, newest, {n: p for one in asked for n, p in one.carried.items()})
    since = f"in the {DAYS} days to {newest}"
    if not is_strict_only:
        for one, seen in zip(asked, _seen(db, asked), strict=True):
            told.warnings.extend(_silent(db, one, seen, since))
            told.warnings.extend(_missing(one, seen, since))
    for one in asked:
        found = list(_unbounded(db, one, since)) if one.loose else []
        (told.faults if _key(one.slot.document) in changed else told.warnings).extend(found)
    return told


def _key(document: Document) -> Key:
    return document.slot


def _newest_day(db: duckdb.DuckDBPyConnection) -> date | None:
    row = db.execute("select max(event_day) from facts.usage_events").fetchone()
    return row[0] if row else None


def _asked(book: Book, newest: date, changed: Collection[Key]) -> list[_Asked]:
    """Meters of events that are new or were in force on one of the days."""
    carried = properties_of(book)
    return [
        _Asked(slot, carried[str(slot.model.event_type)])
        for slot in book.meters
        if slot.model.aggregation != "sql"
        and slot.model.event_type in carried
        and (_key(slot.document) in changed or _was_in_force(slot, newest))
    ]


def _was_in_force(slot: Slot[Meter], newest: date) -> bool:
    return slot.since <= newest and slot.until > newest - timedelta(days=DAYS)


def _make_recent(
    db: duckdb.DuckDBPyConnection, newest: date, properties: Mapping[str, Property]
) -> None:
    """Temp view `recent`: the events of the last days with a column for every property, also one
    that the book has not recorded yet."""
    given = {row[0] for row in db.execute("describe facts.usage_events").fetchall()}
    columns = ""
    for name, one in properties.items():
        column, kind = PROPERTY_PREFIX + name, property_type(one.type, one.decimals or 0)
        value = identifier(column) if column in given else f"cast(null as {kind})"
        columns += f", {value} as {identifier(column)}"
    db.execute(
        f"create or replace temp view recent as select customer_id, event_type{columns} "
        "from facts.usage_events "
        f"where event_day > date '{newest - timedelta(days=DAYS)}' "
        f"and event_day <= date '{newest}' and action is distinct from 'void'"
    )


def _seen(db: duckdb.DuckDBPyConnection, asked: Sequence[_Asked]) -> list[_Seen]:
    counted = []
    for one in asked:
        name = one.slot.model.property
        missing = f"{column_of(name)} is null" if name else "false"
        counted += [
            f"count(*) filter (events.event_type = {literal(one.event_type)})",
            f"count(*) filter ({one.reads})",
            f"count(*) filter ({one.reads} and {missing})",
        ]
    row = db.execute(f"select {', '.join(counted)} from recent as events").fetchone() or ()
    return [_Seen(*row[at : at + 3]) for at in range(0, len(row), 3)]


def _silent(db: duckdb.DuckDBPyConnection, one: _Asked, seen: _Seen, since: str) -> Iterator[str]:
    """The warning for a filter that matched none of the events there are."""
    found = filter_of(one.slot.model)
    if seen.matched or not seen.events or found.root is None:
        return
    occurring = "; ".join(_occurring(db, one, name) for name in sorted(found.properties))
    yield one.slot.fault(
        f"its filter `{node_text(found.root)}` matched none of the {seen.events} events of type "
        f"{one.event_type!r} {since}; {occurring}. Correct the filter, or leave it if such events "
        "are still to come."
    )


def _occurring(db: duckdb.DuckDBPyConnection, one: _Asked, name: str) -> str:
    """The values of a property that do occur: those near the ones asked for, then the frequent."""
    column = column_of(name)
    rows = db.execute(
        f"select cast({column} as varchar), count(*) as n from recent as events "
        f"where events.event_type = ? and {column} is not null group by 1 "
        "order by n desc, 1 limit 1000",
        [one.event_type],
    ).fetchall()
    if not rows:
        return f"{name!r} has no value in any of them"
    counts = dict(rows)
    root = filter_of(one.slot.model).root
    wanted = [str(v.value) for c in conditions(root) if c.name == name for v in c.values]
    near = [value for text in wanted for value in nearest(text, counts, SHOWN)]
    shown = list(dict.fromkeys([*near, *counts]))[:SHOWN]
    listed = ", ".join(f"{_short(value)} ({counts[value]})" for value in shown)
    return f"values of {name!r} seen: {listed}{' and others' if len(counts) > SHOWN else ''}"


def _missing(one: _Asked, seen: _Seen, since: str) -> Iterator[str]:
    """The warning for a property that many of the events do not have."""
    if seen.missing * 100 > seen.matched * MISSING_PERCENT:
        yield one.slot.fault(
            f"property {one.slot.model.property!r} is missing in {seen.missing} of {seen.matched} "
            f"events that the meter reads {since} ({seen.missing * 100 // seen.matched} %); they "
            "add nothing to the quantity. Have it sent, or filter by `is present` if that is meant."
        )


def _unbounded(db: duckdb.DuckDBPyConnection, one: _Asked, since: str) -> Iterator[str]:
    """The sentence on dimensions with too many values, of which each is a line of its own."""
    listed = ", ".join(column_of(name) for name in one.slot.model.dimensions)
    row = db.execute(
        "select max_by(customer_id, values), max(values), max_by(events, values), "
        "sum(values)::bigint, sum(events)::bigint from ("
        "select customer_id, count(*) as values, sum(n)::bigint as events from ("
        f"select customer_id, {listed}, count(*) as n from recent as events "
        f"where {one.reads} group by all) group by customer_id)"
    ).fetchone()
    if row is None or row[0] is None:
        return
    customer, most, of_customer, values, events = row
    limit = one.slot.model.dimension_limit
    named = ", ".join(repr(name) for name in one.slot.model.dimensions)
    what = "different values" if len(one.slot.model.dimensions) == 1 else "combinations of values"
    if most > limit:
        found = (
            f"{most} {what} for customer {customer!r} {since}, in {of_customer} events; "
            f"`dimension_limit` is {limit}"
        )
    elif events >= ENOUGH and values * 100 >= events * OWN_PERCENT:
        found = f"{values} {what} in {events} events {since}: nearly every event has its own"
    else:
        return
    yield one.slot.fault(
        f"dimension {named} has {found}. Seen: {_examples(db, one, customer)}. Each would be a "
        "line of its own: tell apart by a property with fewer values, or raise `dimension_limit` "
        "if they are meant."
    )


def _examples(db: duckdb.DuckDBPyConnection, one: _Asked, customer: str) -> str:
    """Some values of that dimension which has most of them, for a customer."""
    where = f"where {one.reads} and events.customer_id = ?"
    counts = ", ".join(f"count(distinct {column_of(name)})" for name in one.loose)
    row = db.execute(f"select {counts} from recent as events {where}", [customer]).fetchone() or ()
    name = one.loose[row.index(max(row))]
    rows = db.execute(
        f"select distinct cast({column_of(name)} as varchar) from recent as events {where} "
        f"and {column_of(name)} is not null order by 1 limit {SHOWN}",
        [customer],
    ).fetchall()
    return f"{name} = " + ", ".join(_short(value) for (value,) in rows)


def _short(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:37] + "...")
