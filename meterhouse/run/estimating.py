"""What meters measure between any two instants, from events as they are known, without a run."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import polars as pl

from meterhouse.exact import make_exact
from meterhouse.periods import INSTANT, zone_days, zone_offsets
from meterhouse.run.measuring import Relations, answered_sql
from meterhouse.run.meter_rules import SCHEMA, read_rules
from meterhouse.run.pooling import SPAN, make_readers

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
# Versions that were replaced or taken away, straight from the facts: `> 0` and not `is not null`,
# because only that lets DuckLake pass over the files in which nothing was replaced.
NEWER = "(select replaces_seq, replaces_row from facts.usage_events where replaces_seq > 0)"
DAYS = """
select min(day), max(day)
from (
    select regexp_extract(path, 'event_day=([0-9-]{10})', 1)::date as day from facts.files
    where table_name = 'usage_events'
)
"""
RULES = "estimate_rules"
FEW = 20  # customers that are named in the statement
PREPARED = """
create or replace temp table estimate_asks as
select asks.* exclude (meter_id, meter_version), rules.meter_no, rules.event_type,
    case when rules.recurring then timestamptz '0001-01-01 00:00:00+00' else window_start end
        as read_from,
    {pool} as pool_id
from asks_in as asks join estimate_rules as rules using (meter_id, meter_version)
"""


def measure(
    db: duckdb.DuckDBPyConnection,
    asks: pl.DataFrame,
    after_batch: int = 0,
    rules: Sequence[dict[str, Any]] | None = None,
    members: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One row per ask and dimensions: ask_no, dimensions, event_count, quantity, is_measured.

    `asks` has the columns of ASKS; the connection has the views `facts.*` and the flattened book.
    With `after_batch` only events count that came later than that batch. `rules` are those of the
    meter versions (default: of the book); `part_of` in asks is as in measuring.answered_sql.
    `members` are those of the asks that read a pool (pooling.asked_members).
    """
    used, relations = prepare(db, asks, after_batch, rules, members)
    sql = answered_sql(used, relations, RULES, has_parts="part_of" in asks.columns)
    return db.sql(f"select * from ({sql}) order by ask_no, dimensions").pl()


def prepare(
    db: duckdb.DuckDBPyConnection,
    asks: pl.DataFrame,
    after_batch: int = 0,
    rules: Sequence[dict[str, Any]] | None = None,
    members: pl.DataFrame | None = None,
) -> tuple[list[dict[str, Any]], Relations]:
    """Hold asks, rules and offsets as temp tables; the rules that are asked, and what they read."""
    pooled = pl.DataFrame(schema={"ask_no": pl.Int64, **SPAN}) if members is None else members
    make_exact(db, temporary=True)
    wanted = set(asks.select("meter_id", "meter_version").unique().rows())
    known = read_rules(db) if rules is None else rules
    used = [one for one in known if (one["meter_id"], one["meter_version"]) in wanted]
    _hold(db, RULES, pl.DataFrame(used, schema=SCHEMA))
    is_carried = any(rule["recurring"] for rule in used)
    _hold(db, "estimate_offsets", _offsets(asks, _first_day(db) if is_carried else date.max))
    has_parts = "part_of" in asks.columns
    db.register("asks_in", asks.select(*ASKS, *(["part_of"] if has_parts else [])).to_arrow())
    _hold(db, "estimate_members", pooled.rename({"ask_no": "pool_id"}))
    pool = "asks.part_of" if has_parts else "asks.ask_no"
    pool = f"case when {pool} in (select pool_id from estimate_members) then {pool} end"
    db.execute(PREPARED.format(pool=pool))
    db.unregister("asks_in")
    make_readers(db, "estimate_asks", "estimate_readers", "estimate_members", temporary=True)
    customers = pl.concat([asks["customer_id"], pooled["customer_id"].drop_nulls()])
    return used, _relations(asks, customers, after_batch, is_carried=is_carried)


def _relations(
    asks: pl.DataFrame, readers: pl.Series, after_batch: int, *, is_carried: bool
) -> Relations:
    """What is read, no further than the days and customers that are asked for."""
    events = "facts.usage_events"
    if after_batch:
        events = f"(select * from facts.usage_events where batch_seq > {int(after_batch)})"
    customers = readers.unique().sort().to_list()
    return Relations(
        asks="estimate_asks",
        readers="estimate_readers",
        events=events,
        restated=NEWER,
        offsets="estimate_offsets",
        days=None if asks.is_empty() else _days(asks, is_carried=is_carried),
        customers=customers if len(customers) <= FEW else (),
    )


def _hold(db: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    db.register("frame_in", frame.to_arrow())
    db.execute(f"create or replace temp table {name} as select * from frame_in")
    db.unregister("frame_in")


def _span(asks: pl.DataFrame) -> tuple[date, date]:
    first, last = asks["window_start"].min(), asks["window_end"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise TypeError("Nothing was asked.")
    return first.date(), last.date()


def _days(asks: pl.DataFrame, *, is_carried: bool) -> tuple[str, str]:
    first, last = _span(asks)
    return ("0001-01-01" if is_carried else first.isoformat()), last.isoformat()


def usage_days(db: duckdb.DuckDBPyConnection) -> tuple[date, date] | None:
    """The first and last UTC day of recorded usage; None where there is none.

    From the list of files: the events themselves would all be read for it.
    """
    row = db.execute(DAYS).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def _first_day(db: duckdb.DuckDBPyConnection) -> date:
    days = usage_days(db)
    return date.max if days is None else days[0]


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
