"""The meters of the book for people: what holds now, what reads it, how it came to be."""

import json
from datetime import date
from typing import Any

import duckdb

from meterhouse.catalog.plan import differences
from meterhouse.lake import Lake
from meterhouse.run.book import flatten
from meterhouse.run.estimating import usage_days
from meterhouse.run.meter_versions import Meters, contents, key_of, read_meters
from meterhouse.run.metered_windows import KINDS

# Items of the newest document of each contract, counted in the text of the book once.
READERS = """
select item->>'$.meter' as meter_id, count(distinct contract_id) as contracts,
    list(distinct contract_id || ' ' || (item->>'$.id') order by contract_id || ' '
        || (item->>'$.id'))[1:{most}] as items,
    count(distinct contract_id || ' ' || (item->>'$.id')) as item_count
from (
    select doc_id as contract_id, unnest((content::json->'$.items')::json[]) as item
    from (
        select doc_id, content from facts.book_versions where kind = 'contract'
        qualify row_number() over (
            partition by doc_id order by valid_from desc nulls last, batch_seq desc, row_no desc
        ) = 1
    )
)
where (item->>'$.meter') is not null
group by all
"""
NAMED = 100  # items that are named; all are counted


def list_meters(lake: Lake) -> list[dict[str, Any]]:
    """One row per meter: the version in force on the last day of usage, and what reads it."""
    with lake.reading() as db:
        meters, on = _read(db)
        cursor = db.execute(READERS.format(most=NAMED))
        readers = {row[0]: row[1:] for row in cursor.fetchall()}
    names = sorted({row["meter_id"] for row in meters.rows})
    return [_shown(meters, name, on, readers.get(name, (0, [], 0))) for name in names]


def show_meter(lake: Lake, name: str) -> dict[str, Any]:
    """All versions of a meter, the oldest first, with what each changed in the one before."""
    with lake.reading() as db:
        meters, on = _read(db)
        rows = meters.named(name)
        documents = contents(db, name)
        row = db.execute(f"from ({READERS.format(most=NAMED)}) where meter_id = ?", [name])
        reader = row.fetchone()
    versions = [_version(meters, row, rows, documents, on) for row in rows]
    told = (0, [], 0) if reader is None else reader[1:]
    return {**_shown(meters, name, on, told), "versions": versions}


def _read(db: duckdb.DuckDBPyConnection) -> tuple[Meters, date | None]:
    db.execute(
        "create or replace view facts.book_versions as from lake.facts.book_versions "
        f"where kind in {KINDS}"
    )
    flatten(db)
    meters, days = read_meters(db), usage_days(db)
    db.execute("create or replace view facts.book_versions as from lake.facts.book_versions")
    return meters, None if days is None else days[1]


def _shown(meters: Meters, name: str, on: date | None, readers: tuple[Any, ...]) -> dict[str, Any]:
    row = _holds(meters, name, on)
    contracts, items, item_count = readers
    return {
        "meter_id": name,
        **{key: row[key] for key in ("meter_version", "event_type", "aggregation", "property")},
        # As the document says it: a text or a mapping.
        "filter": json.loads(row["filter"]) if row["filter"] else {},
        **{key: row[key] for key in ("dimensions", "unit", "shadow_of", "model")},
        "in_force_on": on,
        "versions_recorded": len(meters.named(name)),
        "contracts": contracts,
        "items": items,
        "item_count": item_count,
    }


def _holds(meters: Meters, name: str, on: date | None) -> dict[str, Any]:
    """The version in force on a day; the newest where none is, or without a day."""
    rows = [row for row in meters.named(name) if key_of(row) in meters.in_force]
    held = [row for row in rows if on is not None and row["slot_from"] <= on < row["slot_to"]]
    return held[0] if held else meters.newest(name)


def _version(
    meters: Meters,
    row: dict[str, Any],
    rows: list[dict[str, Any]],
    documents: dict[int, dict[str, Any]],
    on: date | None,
) -> dict[str, Any]:
    number = row["meter_version"]
    same = [one for one in rows if one["slot_from"] == row["slot_from"]]
    earlier = [one for one in same if one["meter_version"] < number]
    before = [
        one for one in rows
        if one["meter_version"] < number and one["slot_from"] <= row["slot_from"]
    ]  # fmt: skip
    # A corrected slot is compared with what stood in it, any other with what held before it.
    base = (
        max(earlier or before, key=lambda one: (one["slot_from"], one["meter_version"]))
        if (earlier or before)
        else None
    )
    is_held = key_of(row) in meters.in_force
    return {
        "version": number,
        "valid_from": None if row["slot_from"] == date.min else row["slot_from"],
        "valid_to": None if not is_held or row["slot_to"].year == 9999 else row["slot_to"],
        "batch_seq": meters.recorded[key_of(row)],
        "state": _state(row, is_held, on),
        "compared_with": None if base is None else base["meter_version"],
        "changed": [] if base is None else [
            one._asdict() for one in differences(documents[base["meter_version"]],
                documents[number])
        ],
        "content": documents[number],
    }  # fmt: skip


def _state(row: dict[str, Any], is_held: bool, on: date | None) -> str:
    if not is_held:
        return "replaced"
    if on is None or row["slot_from"] <= on < row["slot_to"]:
        return "in force"
    return "later" if row["slot_from"] > on else "earlier"
