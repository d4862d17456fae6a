"""Each version of a meter as SQL over one event: whether it reads it, its value, item and keys.

`ops.meter_rules` has one row per version; the expressions read a relation named `events`. They are
made of checked names and quoted literals only; models of dbt and measuring.py inline them.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

from meterhouse.catalog.meters import ADDITIVE, UNIQUE, ratio
from meterhouse.duck import identifier, literal
from meterhouse.errors import UsageError
from meterhouse.metering import filters
from meterhouse.metering.filter_sql import to_sql
from meterhouse.schema import PROPERTY_PREFIX

MOST_FILTERS = 62  # Bits of a bigint that are not its sign.
NOTHING = "cast(null as decimal(38, 12))"
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "meter_no": pl.Int64,
    "meter_id": pl.String,
    "meter_version": pl.Int64,
    "slot_from": pl.Date,
    "slot_to": pl.Date,
    "event_type": pl.String,
    "aggregation": pl.String,
    "property": pl.String,
    "is_additive": pl.Boolean,
    "is_plain": pl.Boolean,
    "is_filtered": pl.Boolean,
    "is_exact": pl.Boolean,
    "is_split": pl.Boolean,
    "recurring": pl.Boolean,
    "clock": pl.String,
    "bucket": pl.String,
    "percentile_millionths": pl.Int64,
    "filter_sql": pl.String,
    "filter_bit": pl.Int64,
    "value_sql": pl.String,
    "item_sql": pl.String,
    "removes_sql": pl.String,
    "dimensions_sql": pl.String,
    "over": pl.Int64,
    "under": pl.Int64,
    "places": pl.Int64,
    "mode": pl.String,
    "empty": pl.Decimal(38, 12),
    "shadow_of": pl.String,
}


def make_rules(db: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Replace ops.meter_rules from the flattened book; returns its rows."""
    rows = read_rules(db)
    db.register("frame_in", pl.DataFrame(rows, schema=SCHEMA).to_arrow())
    db.execute("create or replace table ops.meter_rules as select * from frame_in")
    db.unregister("frame_in")
    return rows


def read_rules(db: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """One row per version of a meter of the flattened book, as ops.meter_rules has it."""
    result = db.execute("select * from book.meters order by meter_id, meter_version, slot_from")
    names = [column[0] for column in result.description]
    meters = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    types = dict(db.execute("select distinct name, type from book.properties").fetchall())
    return _numbered([rule_of(meter, types, at) for at, meter in enumerate(meters, start=1)])


def _numbered(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each filter of an event type with a bit of its own, so that one number tells which pass."""
    bits: dict[str, int] = {}
    for rule in rules:
        if rule["is_filtered"]:
            place = bits[rule["event_type"]] = bits.get(rule["event_type"], -1) + 1
            if place >= MOST_FILTERS:
                raise UsageError(
                    f"Event type {rule['event_type']!r} is read by more than {MOST_FILTERS} "
                    "versions of meters with a filter; nothing was run. Use dimensions instead."
                )
            rule["filter_bit"] = 1 << place
    return rules


def rule_of(meter: Mapping[str, Any], types: Mapping[str, str], number: int) -> dict[str, Any]:
    """The rule of one row of book.meters; `types` has the type of each property."""
    kind, over_under = meter["aggregation"], _ratio(meter)
    reads = reading_filter(meter["filter"])
    is_additive = kind in ADDITIVE and meter["bucket"] is None and not meter["split"]
    is_filtered = bool(reads.properties)
    is_plain = kind in ("count", "sum") and not is_filtered and not meter["dimensions"]
    places = meter["decimals"] if meter["round_places"] is None else meter["round_places"]
    is_exact = kind in ("count", "sum", "min", "max", "latest", "unique_count")
    return {
        "meter_no": number,
        **{name: meter[name] for name in ("meter_id", "meter_version", "slot_from", "slot_to")},
        **{name: meter[name] for name in ("event_type", "aggregation", "recurring", "clock")},
        **{name: meter[name] for name in ("bucket", "empty", "shadow_of")},
        "property": meter["property"] and PROPERTY_PREFIX + meter["property"],
        "is_additive": is_additive,
        "is_plain": is_additive and is_plain and meter["clock"] == "event",
        "is_filtered": is_filtered,
        # The quantity is what was added up: nothing is divided and nothing rounded.
        "is_exact": is_exact and over_under == (1, 1) and meter["round_places"] is None,
        "is_split": meter["split"],
        "percentile_millionths": int((meter["percentile"] or Decimal(0)) * 1_000_000),
        "filter_sql": to_sql(reads, column_of) if is_filtered else "true",
        "filter_bit": 0,
        "value_sql": _value(meter, types),
        "item_sql": _item(meter),
        "removes_sql": _removes(meter),
        "dimensions_sql": dimensions_sql(meter["dimensions"], types),
        "over": over_under[0],
        "under": over_under[1],
        "places": places,
        "mode": meter["round_mode"] if meter["round_places"] is not None else "half_up",
    }


def reading_filter(text: str | None) -> filters.Filter:
    """The filter of a meter's content: JSON of a text or of a mapping."""
    given = json.loads(text) if text else {}
    return filters.parse(given) if isinstance(given, str) else filters.from_values(given)


def column_of(name: str) -> str:
    """The typed column of a property, of relation `events`."""
    return f"events.{identifier(PROPERTY_PREFIX + name)}"


def dimensions_sql(names: list[str], types: Mapping[str, str]) -> str:
    """The canonical JSON text of the values of the dimensions."""
    if not names:
        return "'{}'"
    parts = []
    for name in sorted(names):
        column = column_of(name)
        value = f"cast({column} as varchar)"
        if types.get(name) == "string":
            value = f"cast(to_json({column}) as varchar)"
        parts.append(f"{literal(json.dumps(name) + ':')} || coalesce({value}, 'null')")
    return "'{' || " + " || ',' || ".join(parts) + " || '}'"


def _value(meter: Mapping[str, Any], types: Mapping[str, str]) -> str:
    if meter["aggregation"] == "count":
        return "cast(1 as decimal(38, 12))"
    if meter["property"] is None or meter["aggregation"] in UNIQUE:
        return NOTHING
    if types.get(meter["property"]) not in ("integer", "decimal"):
        return NOTHING
    return f"cast({column_of(meter['property'])} as decimal(38, 12))"


def _item(meter: Mapping[str, Any]) -> str:
    if meter["aggregation"] not in UNIQUE:
        return "cast(null as varchar)"
    return f"cast({column_of(meter['property'])} as varchar)"


def _removes(meter: Mapping[str, Any]) -> str:
    """Whether an event takes its item away."""
    if meter["operation"] is None:
        return "false"
    return f"coalesce({column_of(meter['operation'])} = 'remove', false)"


def _ratio(meter: Mapping[str, Any]) -> tuple[int, int]:
    return ratio(Decimal(meter["convert_multiply"]), Decimal(meter["convert_divide"]))
