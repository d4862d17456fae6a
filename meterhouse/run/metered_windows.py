"""Charge windows of usage straight from the book, without a run, and what they ask of a meter."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import duckdb
import polars as pl

from meterhouse.contracts.windows import charge_windows, margin
from meterhouse.duck import literal
from meterhouse.periods import local_instants, zone_days, zone_offsets
from meterhouse.run.book import flatten
from meterhouse.run.estimating import ASKS, usage_days
from meterhouse.run.meter_versions import Meters
from meterhouse.run.windows import MARGIN, read_series

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
KINDS = "('meter', 'event_type')"
# What a contract does not say of its periods its customer may, and customers say to whom they
# belong: all versions of a customer, for one that says nothing ends what was said.
PROFILED = (
    "kind = 'customer' and doc_id in (select doc_id from lake.facts.book_versions "
    "where kind = 'customer' "
    "and (contains(content, '\"profile\"') or contains(content, '\"parent\"')))"
)


def read_book(
    db: duckdb.DuckDBPyConnection, customers: Sequence[str] | None, known_at: int | None
) -> None:
    """Make schema book of the meters and of the contracts of these customers; None for all.

    A book has one contract for each customer, and most of the time would go into reading JSON.
    """
    which = "kind = 'contract'"
    if customers is not None:
        # The text is searched before it is read as JSON.
        texts = [f"contains(content, {literal(json.dumps(one))})" for one in customers]
        listed = ", ".join(map(literal, customers))
        which += f" and ({' or '.join(texts)}) and (content->>'$.customer') in ({listed})"
    limit = "" if known_at is None else f"batch_seq <= {int(known_at)} and "
    db.execute(
        "create or replace view facts.book_versions as from lake.facts.book_versions "
        f"where {limit}(kind in {KINDS} or ({which}) or ({PROFILED}))"
    )
    flatten(db)


def last_day(db: duckdb.DuckDBPyConnection, meters: Meters, names: Sequence[str]) -> date | None:
    """The last UTC day of recorded usage, by the clock of the meters; None without any."""
    days = usage_days(db)
    if days is None or all(row["clock"] == "event" for n in names for row in meters.named(n)):
        return None if days is None else days[1]
    row = db.execute("select cast(max(received_at) as date) from facts.batches").fetchone()
    return max(days[1], row[0]) if row and row[0] else days[1]


def usage_windows(
    db: duckdb.DuckDBPyConnection, meters: Sequence[str], last_on: date
) -> pl.DataFrame:
    """One row per charge window that reads one of the meters and begins on or before `last_on`.

    Columns are those of billing.charge_windows without meter_version.
    """
    contracts = db.sql("from book.contracts").pl()
    items = db.sql("from book.contract_items").pl().filter(pl.col("meter_id").is_in(list(meters)))
    contracts = contracts.join(items, on="contract_id", how="semi")
    zones = contracts["zone"].unique().to_list()
    first = min([last_on, *contracts["start_on"].to_list()])
    around = margin(items, MARGIN)
    days = zone_days(zones, first - around, last_on + around)
    return charge_windows(contracts, items, days, last_on + DAY, read_series(db))


def asks_of(windows: pl.DataFrame, definitions: pl.DataFrame) -> pl.DataFrame:
    """What measures each window by the definition in force at its start, or where all of them are
    `split` by each that is in force in it. Columns of ASKS, and `part_of`.

    `windows` has `ask_no` and the columns of charge_windows; one before the first definition asks
    nothing. Later parts of a window are numbered on from the greatest number there is.
    """
    # Of the window only its times count: its item may read another meter.
    own = windows.drop("meter_id", "meter_version", strict=False)
    parts = own.join(definitions, how="cross").filter(pl.col("slot_from") < pl.col("window_end_on"))
    is_first = (pl.col("slot_from") <= pl.col("window_start_on")) & (
        pl.col("window_start_on") < pl.col("slot_to")
    )
    heads = parts.filter(is_first)
    later = (
        parts.filter((pl.col("slot_from") > pl.col("window_start_on")) & pl.col("is_split"))
        .join(heads.filter("is_split"), on="ask_no", how="semi")
        .sort("ask_no", "slot_from")
    )
    asks = heads.with_columns(part_of="ask_no", part_from=pl.lit(None, pl.Date))
    if later.height:
        following = _next_number(windows)
        asks = _cut(
            pl.concat([
                asks,
                later.with_columns(
                    part_of="ask_no",
                    part_from="slot_from",
                    ask_no=pl.int_range(later.height, eager=True) + following,
                ),
            ])
        )  # fmt: skip
    return _as_asks(asks)


def _next_number(windows: pl.DataFrame) -> int:
    greatest = windows["ask_no"].max()
    return 1 + (greatest if isinstance(greatest, int) else 0)


def _cut(parts: pl.DataFrame) -> pl.DataFrame:
    """Each part ends where the next of its window begins, at the hour at which its days do."""
    key = ["zone", "part_from", "day_seconds"]
    local = pl.col("part_from").cast(pl.Datetime("us")) + pl.duration(seconds="day_seconds")
    times = parts.drop_nulls("part_from").select(*key, local=local).unique()
    first, last = times["part_from"].min(), times["part_from"].max()
    if not isinstance(first, date) or not isinstance(last, date):
        raise TypeError("No window has parts.")
    spans = zone_offsets(times["zone"].unique().to_list(), first, last)
    starts = local_instants(times, spans).select(*key, starts_at="instant")
    timed = parts.join(starts, on=key, how="left").sort("part_of", "part_from", nulls_last=False)
    next_from = pl.col("part_from").shift(-1).over("part_of")
    next_start = pl.col("starts_at").shift(-1).over("part_of")
    return timed.with_columns(
        window_start=pl.coalesce("starts_at", "window_start"),
        window_start_on=pl.coalesce("part_from", "window_start_on"),
        window_end=pl.coalesce(next_start, "window_end"),
        window_end_on=pl.coalesce(next_from, "window_end_on"),
        window_end_seconds=pl.when(next_from.is_null())
        .then("window_end_seconds")
        .otherwise("day_seconds"),
    )


def _as_asks(windows: pl.DataFrame) -> pl.DataFrame:
    # A contract that ends later in its last day uses that day too.
    extra = pl.when(pl.col("window_end_seconds") > pl.col("day_seconds")).then(DAY)
    return windows.with_columns(
        window_end_on=pl.col("window_end_on") + extra.otherwise(timedelta()),
        period_us=(pl.col("period_end") - pl.col("period_start")).dt.total_microseconds(),
        period_days=(pl.col("period_end_on") - pl.col("period_start_on")).dt.total_days(),
    ).select(*[pl.col(name).cast(kind) for name, kind in ASKS.items()], pl.col("part_of"))


def span_windows(spans: pl.DataFrame) -> pl.DataFrame:
    """Spans of time as windows of their own: the full period of a span is the span.

    `spans` has ask_no, customer_id, zone, window_start and window_end (instants).
    """
    zero = pl.lit(0, pl.Int64)
    last = (pl.col("window_end") - MICROSECOND).alias("at")
    return spans.with_columns(
        window_start_on=_local_days(spans.select("zone", at="window_start")),
        window_end_on=_local_days(spans.select("zone", last)) + DAY,
    ).with_columns(
        period_start="window_start",
        period_end="window_end",
        period_start_on="window_start_on",
        period_end_on="window_end_on",
        day_seconds=zero,
        window_end_seconds=zero,
    )


def _local_days(times: pl.DataFrame) -> pl.Series:
    """The local day of each instant `at` in its zone, in the given order."""
    first, last = times["at"].min(), times["at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return pl.Series(dtype=pl.Date)
    zones = times["zone"].unique().to_list()
    offsets = zone_offsets(zones, first.date() - DAY, last.date() + DAY).sort("valid_from")
    local = pl.col("at") + pl.duration(seconds="offset_seconds")
    return (
        times.with_row_index()
        .sort("at")
        .join_asof(offsets, left_on="at", right_on="valid_from", by="zone", check_sortedness=False)
        .sort("index")
        .select(local.dt.date())
        .to_series()
    )
