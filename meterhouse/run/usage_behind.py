"""The events behind the lines of a document, as its run knew them."""

import json
from datetime import date, timedelta

import duckdb
import polars as pl

from meterhouse.duck import identifier
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.periods import zone_offsets
from meterhouse.run.reading import Reading, document_of, read_events, read_lines
from meterhouse.schema import PROPERTY_PREFIX

COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "line_no": pl.Int64,
    "item": pl.String,
    "customer": pl.String,
    "meter": pl.String,
    "meter_version": pl.Int64,
    "dimensions": pl.String,
    "source": pl.String,
    "event_id": pl.String,
    "occurred_at": pl.Datetime("us", "UTC"),
    "occurred_local": pl.String,
    "zone": pl.String,
    "received_at": pl.Datetime("us", "UTC"),
    "is_before": pl.Boolean,
    "quantity": pl.Decimal(38, 12),
    "counted_item": pl.String,
    "is_removal": pl.Boolean,
}
EVENTS = """
select events.line_no, lines.item_id as item, events.customer_id as customer,
    asks.meter_id as meter, asks.meter_version, events.dimensions, events.source,
    events.event_id, events.occurred_at,
    events.occurred_at + to_seconds(offsets.offset_seconds) as occurred_local, asks.zone,
    events.received_at, events.is_before, events.value as quantity, events.item as counted_item,
    events.removes as is_removal{properties}
from read_events as events
join lines_in as lines using (line_no)
join asks_in as asks using (ask_no)
join offsets_in as offsets
    on offsets.zone = asks.zone and events.occurred_at >= offsets.valid_from
    and events.occurred_at < offsets.valid_to
"""
SPAN = "select min(occurred_at)::date, max(occurred_at)::date from read_events"


def usage_behind(lake: Lake, number: str, line_no: int | None = None) -> pl.DataFrame:
    """One row per line and event that it was measured from, by line, time, source and id.

    Columns are those of COLUMNS, then the typed properties of the events by name. An event that
    was amended stands with its newest version only, a voided one not at all. `is_before` marks
    the events before the window that make the level with which it opens. `quantity` is the value
    of the event (1 for count, null where it has none), `counted_item` what unique counts count.
    Where a meter counts or adds up, the quantities of a line add up to the line's before it is
    converted and rounded; for all others they are what its quantity is worked out from.
    """
    with lake.reading() as db:
        document = document_of(db, number)
        count = len(json.loads(document["content"])["lines"])
        if line_no is not None and not 1 <= line_no <= count:
            raise UsageError(f"{number} has no line {line_no}; it has 1 to {count}.")
        reading = read_lines(db, document, line_no)
        _refuse_unasked(number, reading)
        read_events(db, reading)
        found = _events(db, reading)
    found = pl.concat([pl.DataFrame(schema=COLUMNS), found], how="diagonal")
    properties = sorted(set(found.columns) - set(COLUMNS))
    order = ("line_no", "occurred_at", "source", "event_id")
    return found.select(*COLUMNS, *properties).sort(order)


def in_csv(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows with decimals as a person writes them: 7, 0.5."""
    scaled = [name for name, kind in frame.schema.items() if getattr(kind, "scale", 0)]
    text = pl.col(scaled).cast(pl.String)
    return frame.with_columns(text.str.strip_chars_end("0").str.strip_chars_end("."))


def _refuse_unasked(number: str, reading: Reading) -> None:
    unasked = reading.unasked()
    if unasked:
        raise UsageError(
            f"The events behind line {', '.join(map(str, unasked))} of {number} cannot be told: "
            "the book as the document's run knew it has no such window. Nothing was written; tell "
            "the engineers."
        )


def _events(db: duckdb.DuckDBPyConnection, reading: Reading) -> pl.DataFrame:
    names = [row[0] for row in db.execute("describe read_events").fetchall()]
    own = [name for name in names if name.startswith(PROPERTY_PREFIX)]
    zones = reading.asks["zone"].unique().to_list()
    db.register("lines_in", reading.lines.select("line_no", "item_id").to_arrow())
    db.register("asks_in", reading.asks.to_arrow())
    db.register("offsets_in", zone_offsets(zones, *_span(db)).to_arrow())
    properties = "".join(f", events.{identifier(name)}" for name in own)
    found = db.sql(EVENTS.format(properties=properties)).pl()
    for name in ("lines_in", "asks_in", "offsets_in"):
        db.unregister(name)
    local = pl.col("occurred_local").dt.replace_time_zone(None).dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
    instants = pl.col("occurred_at", "received_at").dt.convert_time_zone("UTC")
    return found.with_columns(local, instants)


def _span(db: duckdb.DuckDBPyConnection) -> tuple[date, date]:
    """The days of the events, with a margin for any zone."""
    first, last = db.execute(SPAN).fetchone() or (None, None)
    margin = timedelta(days=2)
    return (first or date(1970, 1, 1)) - margin, (last or date(1970, 1, 1)) + margin
