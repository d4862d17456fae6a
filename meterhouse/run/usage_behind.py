"""The events behind the lines of a document, as its run knew them: they add up to each line."""

import json
from datetime import timedelta
from typing import Any

import duckdb
import polars as pl

from meterhouse.duck import identifier
from meterhouse.errors import UsageError
from meterhouse.lake import Lake, views
from meterhouse.periods import zone_offsets
from meterhouse.schema import PROPERTY_PREFIX

# Lines without a determinant (fees, windows that are no longer billed) have no events.
LINES = """
select line_no, item_id as item, customer_id, zone, meter_id, meter_version, window_start,
    window_end, window_start_on, window_end_on, quantity
from lake.facts.billed_lines
where document_id = ? and determinant_id is not null and (? is null or line_no = ?)
order by line_no
"""
# The newest version of each event of one meter that is not void, in the window of each line that
# reads it.
EVENTS = """
select lines.line_no, lines.item, lines.meter_id as meter, events.source, events.event_id,
    events.occurred_at,
    events.occurred_at + to_seconds(offsets.offset_seconds) as occurred_local, lines.zone,
    {value} as quantity{properties}
from facts.usage_events as events
join lines
    on lines.customer_id = events.customer_id and lines.meter_id = $meter
    and lines.meter_version = $version and events.occurred_at >= lines.window_start
    and events.occurred_at < lines.window_end
join offsets
    on offsets.zone = lines.zone and events.occurred_at >= offsets.valid_from
    and events.occurred_at < offsets.valid_to
anti join (
    select replaces_seq, replaces_row from facts.usage_events where replaces_seq is not null
) as newer
    on newer.replaces_seq = events.batch_seq and newer.replaces_row = events.row_no
where events.event_type = $event_type and events.event_day >= $first
    and events.event_day <= $last and events.action is distinct from 'void'{matches}
"""
COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "line_no": pl.Int64,
    "item": pl.String,
    "meter": pl.String,
    "source": pl.String,
    "event_id": pl.String,
    "occurred_at": pl.Datetime("us", "UTC"),
    "occurred_local": pl.String,
    "zone": pl.String,
    "quantity": pl.Decimal(38, 12),
}


def usage_behind(lake: Lake, number: str, line_no: int | None = None) -> pl.DataFrame:
    """One row per line and event that it was rated from, by line, time, source and id.

    Columns are those of COLUMNS, then the typed properties of the events by name. An event that
    was amended stands with its newest version only, a voided one not at all. Quantities of a line
    add up to the line's.
    """
    with lake.reading() as db:
        document_id, known_at, count = _document(db, number)
        if line_no is not None and not 1 <= line_no <= count:
            raise UsageError(f"{number} has no line {line_no}; it has 1 to {count}.")
        views(db, known_at)
        lines = db.execute(LINES, [document_id, line_no, line_no]).pl()
        frames = [_of_meter(db, lines, *one) for one in _meters(lines)]
    found = pl.concat([pl.DataFrame(schema=COLUMNS), *frames], how="diagonal")
    properties = sorted(set(found.columns) - set(COLUMNS))
    order = ("line_no", "occurred_at", "source", "event_id")
    return found.select(*COLUMNS, *properties).sort(order)


def in_csv(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows with decimals as a person writes them: 7, 0.5."""
    scaled = [name for name, kind in frame.schema.items() if getattr(kind, "scale", 0)]
    text = pl.col(scaled).cast(pl.String)
    return frame.with_columns(text.str.strip_chars_end("0").str.strip_chars_end("."))


def _document(db: duckdb.DuckDBPyConnection, number: str) -> tuple[str, int, int]:
    row = db.execute(
        "select document_id, known_at, json_array_length(content, '$.lines') "
        "from facts.documents where number = ?",
        [number],
    ).fetchone()
    if row is None:
        raise UsageError(
            f"No document has the number {number!r}. `meterhouse invoices list` shows them."
        )
    return str(row[0]), int(row[1]), int(row[2])


def _meters(lines: pl.DataFrame) -> list[tuple[str, int]]:
    return lines.select("meter_id", "meter_version").unique().sort("meter_id").rows()


def _of_meter(
    db: duckdb.DuckDBPyConnection, lines: pl.DataFrame, meter_id: str, version: int
) -> pl.DataFrame:
    own = lines.filter(meter_id=meter_id, meter_version=version)
    meter = _meter(db, meter_id, version)
    margin = timedelta(days=2)
    first, last = own["window_start_on"].min() - margin, own["window_end_on"].max() + margin  # type: ignore[operator]
    offsets = zone_offsets(own["zone"].unique().to_list(), first, last)  # type: ignore[arg-type]
    parameters = {"meter": meter_id, "version": version, "event_type": meter["event_type"]}
    parameters |= {"first": first, "last": last}
    sql = EVENTS.format(
        value=_value(meter),
        properties=_properties(db, meter["event_type"]),
        matches=_matches(meter, parameters),
    )
    db.register("lines", own.to_arrow())
    db.register("offsets", offsets.to_arrow())
    found = db.execute(sql, parameters).pl()
    db.unregister("lines")
    db.unregister("offsets")
    local = pl.col("occurred_local").dt.replace_time_zone(None).dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
    return found.with_columns(local, pl.col("occurred_at").dt.convert_time_zone("UTC"))


def _meter(db: duckdb.DuckDBPyConnection, meter_id: str, version: int) -> dict[str, Any]:
    row = db.execute(
        "select content from facts.book_versions "
        "where kind = 'meter' and doc_id = ? and batch_seq = ? order by row_no desc limit 1",
        [meter_id, version],
    ).fetchone()
    if row is None:
        raise UsageError(f"Version {version} of meter {meter_id} is gone.")
    meter: dict[str, Any] = json.loads(row[0])
    return meter


def _value(meter: dict[str, Any]) -> str:
    if meter["aggregation"] == "count":
        return "1::decimal(38, 12)"
    # A property that is not required may be missing: such an event adds nothing.
    column = identifier(PROPERTY_PREFIX + meter["property"])
    return f"coalesce(events.{column}, 0)::decimal(38, 12)"


def _properties(db: duckdb.DuckDBPyConnection, event_type: str) -> str:
    rows = db.execute(
        "select distinct unnest(json_keys(content::json->'$.properties')) as name "
        "from facts.book_versions where kind = 'event_type' and doc_id = ? order by name",
        [event_type],
    ).fetchall()
    return "".join(f", events.{identifier(PROPERTY_PREFIX + name)}" for (name,) in rows)


def _matches(meter: dict[str, Any], parameters: dict[str, Any]) -> str:
    text = ""
    for place, (name, values) in enumerate(sorted((meter["filter"] or {}).items())):
        column = identifier(PROPERTY_PREFIX + name)
        text += f" and list_contains($values_{place}, events.{column}::varchar)"
        parameters[f"values_{place}"] = [
            str(value).lower() if isinstance(value, bool) else value for value in values
        ]
    return text
