"""Single events for people to look at: the newest that fit, and what became of each.

Days are searched from the newest backwards in growing spans, so that a question about a lake of
years reads the files of a few days; only the keys of the rows that are shown are read first.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from meterhouse.duck import literal
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.nearest import did_you_mean, known_names
from meterhouse.periods import zone_days
from meterhouse.run.event_fates import attach_published, described, newer, zone_of
from meterhouse.run.reading import rules_of

SPANS = (1, 7, 31, 366)  # days that are searched at once; after them all that is left
NEAR = 50
# From the list of files: the least and greatest day of the events themselves reads all of them.
DAYS = """
select min(day), max(day)
from (
    select regexp_extract(path, 'event_day=([0-9-]{10})', 1)::date as day from lake.facts.files
    where table_name = 'usage_events'
)
"""


@dataclass(frozen=True)
class Asked:
    """What events are asked for; `first` is in, `until` is not, both local to the customer."""

    customer: str | None = None
    meter: str | None = None
    source: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    first: date | None = None
    until: date | None = None
    limit: int = 50
    all_versions: bool = False


def find_events(lake: Lake, asked: Asked) -> dict[str, Any]:
    """`events`, newest first, at most `limit`; `is_more`, whether others fit; `zone` of the days.

    An event has what `event_fates.described` gives; without `all_versions` only those that stand.
    """
    with lake.reading() as db:
        attach_published(lake, db)
        rules = rules_of(db)
        types = _types(db, asked, rules)
        _refuse_unknown_customer(db, asked.customer)
        zone = zone_of(db, asked.customer)
        db.execute(f"create temp table newer as {newer()}")
        keys = _newest_keys(db, asked, _conditions(asked, types, zone))
        _show(db, keys[: asked.limit])
        found = described(db, rules, asked.meter)
    return {"events": found, "is_more": len(keys) > asked.limit, "zone": zone}


def _types(
    db: duckdb.DuckDBPyConnection, asked: Asked, rules: list[dict[str, Any]]
) -> list[str] | None:
    """The event types to read; None for all."""
    if asked.event_type is not None:
        known = [row[0] for row in db.execute("select event_type from book.event_types").fetchall()]
        _refuse_unknown("Event type", asked.event_type, known)
    if asked.meter is None:
        return None if asked.event_type is None else [asked.event_type]
    _refuse_unknown("Meter", asked.meter, {rule["meter_id"] for rule in rules})
    types = {rule["event_type"] for rule in rules if rule["meter_id"] == asked.meter}
    if None in types:
        raise UsageError(
            f"Meter {asked.meter} is written in SQL and reads tables, not events of a type. "
            "Nothing was listed; leave out --meter."
        )
    if asked.event_type is not None and asked.event_type not in types:
        raise UsageError(
            f"Meter {asked.meter} reads events of type {known_names(types)}, and not "
            f"{asked.event_type}. Nothing was listed; leave out one of both."
        )
    return sorted(types)


def _refuse_unknown(what: str, name: str, known: "set[str] | list[str]") -> None:
    if name not in known:
        hint = did_you_mean(name, known) or "."
        raise UsageError(
            f"{what} {name!r} is not known here; nothing was listed{hint} "
            f"Known: {known_names(known)}."
        )


def _refuse_unknown_customer(db: duckdb.DuckDBPyConnection, customer: str | None) -> None:
    """A misspelt customer would look like one who uses nothing."""
    book = "from lake.facts.book_versions where kind = 'customer'"
    if customer is None or db.execute(f"select 1 {book} and doc_id = ?", [customer]).fetchone():
        return
    near = db.execute(
        f"select distinct doc_id, levenshtein(doc_id, ?) {book} order by 2, 1 limit {NEAR}",
        [customer],
    ).fetchall()
    hint = did_you_mean(customer, [row[0] for row in near]) or "."
    raise UsageError(f"Customer {customer!r} is not in the book; nothing was listed{hint}")


def _conditions(asked: Asked, types: list[str] | None, zone: str) -> list[str]:
    """Conditions on relation `events`; literals, for only they let DuckLake pass over files."""
    named = {
        "customer_id": asked.customer,
        "source": asked.source,
        "event_id": asked.event_id,
    }
    found = [f"events.{name} = {literal(value)}" for name, value in named.items() if value]
    if types is not None:
        found.append(f"events.event_type in ({', '.join(map(literal, types))})")
    if not asked.all_versions:
        found.append("events.action is distinct from 'void'")
    for day, sign in ((asked.first, ">="), (asked.until, "<")):
        if day is not None:
            (starts_at,) = zone_days([zone], day, day)["starts_at"].to_list()
            found.append(f"events.occurred_at {sign} timestamptz '{starts_at.isoformat()}'")
            found.append(f"events.event_day {sign[0]}= date '{starts_at.date().isoformat()}'")
    return found


def _newest_keys(
    db: duckdb.DuckDBPyConnection, asked: Asked, conditions: list[str]
) -> list[tuple[Any, ...]]:
    """(batch_seq, row_no, event_day) of the newest events that fit, one more than are shown."""
    first, last = db.execute(DAYS).fetchone() or (None, None)
    if last is None:
        return []
    standing = "" if asked.all_versions else "anti join newer using (batch_seq, row_no)"
    found: list[tuple[Any, ...]] = []
    end = min(last, asked.until) + timedelta(days=2) if asked.until else last + timedelta(days=1)
    for span in (*SPANS, None):
        start = first if span is None else end - timedelta(days=span)
        where = [*conditions, f"events.event_day >= date '{start.isoformat()}'"]
        where.append(f"events.event_day < date '{end.isoformat()}'")
        found += db.execute(
            "select events.batch_seq, events.row_no, events.event_day "
            f"from facts.usage_events as events {standing} where {' and '.join(where)} "
            "order by events.occurred_at desc, events.source, events.event_id, "
            f"events.batch_seq desc, events.row_no desc limit {asked.limit + 1 - len(found)}"
        ).fetchall()
        if len(found) > asked.limit or start <= max(first, asked.first or first) - timedelta(2):
            break
        end = start
    return found


def _show(db: duckdb.DuckDBPyConnection, keys: list[tuple[Any, ...]]) -> None:
    """Temp table `shown`: the events of these keys, with `position`, their place in the list."""
    days = sorted({key[2] for key in keys})
    listed = ", ".join(f"date '{day.isoformat()}'" for day in days) or "null"
    batches = ", ".join(str(int(key[0])) for key in keys) or "null"
    db.execute(
        "create or replace temp table keys (batch_seq bigint, row_no bigint, position bigint)"
    )
    if keys:
        places = [(key[0], key[1], place) for place, key in enumerate(keys)]
        db.executemany("insert into keys values (?, ?, ?)", places)
    db.execute(
        "create or replace temp table shown as select events.*, keys.position "
        "from facts.usage_events as events join keys using (batch_seq, row_no) "
        f"where events.event_day in ({listed}) and events.batch_seq in ({batches})"
    )
