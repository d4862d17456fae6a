"""What meters measure between any two instants, from events as they are known, without a run."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import duckdb
import polars as pl

from meterhouse.exact import make_exact
from meterhouse.periods import INSTANT, zone_days, zone_offsets
from meterhouse.run.measuring import Relations, answered_sql
from meterhouse.run.meter_rules import SCHEMA, read_rules

ASKS: dict[str, pl.DataType | type[pl.DataType]] = {
    "ask_no": pl.Int64,
    "customer_id": pl.String,
    "meter_id": pl.String,
    "meter_version": pl.Int64,
    "zone": pl.String,
    "window_start": INSTANT,
    "window_end": INSTANT,
    "window_start_on": pl.Date,
    "window_end_on": pl.Date,
    "period_us": pl.Int64,
    "period_days": pl.Int64,
    "day_seconds": pl.Int64,
}
DAY = timedelta(days=1)
# Versions that were replaced or taken away, straight from the facts.
NEWER = "(select replaces_seq, replaces_row from facts.usage_events where replaces_seq is not null)"
PREPARED = """
create or replace temp table estimate_asks as
select asks.* exclude (meter_id, meter_version), rules.meter_no, rules.event_type,
    case when rules.recurring then timestamptz '0001-01-01 00:00:00+00' else window_start end
        as read_from
from asks_in as asks join estimate_rules as rules using (meter_id, meter_version)
"""


def measure(
    db: duckdb.DuckDBPyConnection, asks: pl.DataFrame, after_batch: int = 0
) -> pl.DataFrame:
    """One row per ask and dimensions: ask_no, dimensions, event_count, quantity, is_measured.

    `asks` has the columns of ASKS; the connection has the views `facts.*` and the flattened book.
    With `after_batch` only events count that came later than that batch.
    """
    make_exact(db, temporary=True)
    wanted = set(asks.select("meter_id", "meter_version").unique().rows())
    rules = [one for one in read_rules(db) if (one["meter_id"], one["meter_version"]) in wanted]
    _hold(db, "estimate_rules", pl.DataFrame(rules, schema=SCHEMA))
    is_carried = any(rule["recurring"] for rule in rules)
    _hold(db, "estimate_offsets", _offsets(asks, _first_day(db) if is_carried else date.max))
    db.register("asks_in", asks.select(*ASKS).to_arrow())
    db.execute(PREPARED)
    db.unregister("asks_in")
    events = "facts.usage_events"
    if after_batch:
        events = f"(select * from facts.usage_events where batch_seq > {int(after_batch)})"
    relations = Relations(
        asks="estimate_asks",
        events=events,
        restated=NEWER,
        offsets="estimate_offsets",
        days=None if is_carried or asks.is_empty() else _days(asks),
    )
    sql = answered_sql(rules, relations, "estimate_rules")
    return db.sql(f"select * from ({sql}) order by ask_no, dimensions").pl()


def _hold(db: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    db.register("frame_in", frame.to_arrow())
    db.execute(f"create or replace temp table {name} as select * from frame_in")
    db.unregister("frame_in")


def _span(asks: pl.DataFrame) -> tuple[date, date]:
    first, last = asks["window_start"].min(), asks["window_end"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise TypeError("Nothing was asked.")
    return first.date(), last.date()


def _days(asks: pl.DataFrame) -> tuple[str, str]:
    first, last = _span(asks)
    return first.isoformat(), last.isoformat()


def _first_day(db: duckdb.DuckDBPyConnection) -> date:
    row = db.execute("select min(event_day) from facts.usage_events").fetchone()
    return row[0] if row and row[0] is not None else date.max


def _offsets(asks: pl.DataFrame, first_event: date) -> pl.DataFrame:
    """Offsets over all that may be read; a level may be carried from long before."""
    if asks.is_empty():
        return zone_offsets([], date(2000, 1, 1), date(2000, 1, 2))
    first, last = _span(asks)
    margin = timedelta(days=2)
    zones = asks["zone"].unique().to_list()
    return zone_offsets(zones, min(first, first_event) - margin, last + margin)


def windows_between(
    start: datetime, end: datetime, zone: str, per: str
) -> list[tuple[datetime, datetime]]:
    """The local minutes, hours or days that overlap a span, as whole half-open UTC spans.

    A day lasts 23 or 25 hours where the clock changes; hours are counted from its first instant.
    """
    margin = timedelta(days=2)
    days = zone_days([zone], start.date() - margin, end.date() + margin)["starts_at"]
    found = []
    for opening, closing in pairwise(days.to_list()):
        step = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}.get(per, DAY)
        at = max(opening, opening + (start - opening) // step * step) if per != "day" else opening
        while at < min(closing, end):
            until = closing if per == "day" else min(at + step, closing)
            if until > start and until > at:
                found.append((at, until))
            at = until
    return found
