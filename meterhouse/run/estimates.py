"""What a meter measures for a customer now, or between two instants: from facts, without a run."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import duckdb
import polars as pl

from meterhouse.duck import literal
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.nearest import did_you_mean
from meterhouse.periods import zone_info
from meterhouse.pricing.charging import rate_usage
from meterhouse.run.asked_spans import Asked, Choose, pieces, refuse_zones, spans_of, zones_of
from meterhouse.run.book import flatten
from meterhouse.run.estimating import measure
from meterhouse.run.meter_versions import Meters, read_meters
from meterhouse.run.metered_windows import asks_of, last_day, read_book, span_windows, usage_windows
from meterhouse.run.parts import without_parts
from meterhouse.run.pooling import asked_members
from meterhouse.run.usage_prices import rate_windows_of_usage, with_earlier_parts, with_ways

NEAR = 50
PRICED = ("contract_id", "item_id", "currency", "price_model", "price", "modifiers", "usage_of")
PRORATED = (
    *("prorate_start", "prorate_end", "window_start_on", "window_end_on"),
    *("period_start_on", "period_end_on"),
)


def estimate(lake: Lake, asked: Asked, choose: Choose = refuse_zones) -> dict[str, Any]:
    """`rows`, one per customer, window or piece, and dimensions; `meter`, `unit`, `known_at`, and
    `customer`, the id that was meant; `last_on`, the last UTC day of recorded usage.

    `choose` says in which of a customer's zones the days lie.
    """
    head = lake.head().batch_seq
    _refuse_unknown_batches(asked, head)
    if asked.zone is not None:
        zone_info(asked.zone)
    with lake.reading(asked.known_at) as db:
        customer = None if asked.customer == "all" else customer_of(db, asked.customer)
        read_book(db, None if customer is None else [customer], asked.known_at)
        meters = read_meters(db)
        definitions = meters.definitions(asked.meter, asked.version)
        last_on = last_day(db, meters, [asked.meter])
        windows = _windows(db, asked, meters, customer, last_on, choose)
        rows = _measured(db, asked, meters, definitions, windows)
    return {
        "meter": asked.meter,
        "unit": meters.newest(asked.meter)["unit"],
        "customer": customer or "all",
        "known_at": head if asked.known_at is None else asked.known_at,
        "last_on": last_on,
        "rows": rows.to_dicts(),
    }


def customer_of(db: duckdb.DuckDBPyConnection, name: str) -> str:
    """The customer with this id, external id or alias; one sentence where there is none."""
    read_subjects(db, name)
    found = db.execute(
        "select distinct customer_id from book.subjects where subject = ? order by 1", [name]
    ).fetchall()
    if len(found) == 1:
        return str(found[0][0])
    if found:
        ids = ", ".join(row[0] for row in found)
        raise UsageError(
            f"{name!r} has meant several customers: {ids}. Nothing was measured; give one of them."
        )
    book = "from lake.facts.book_versions where kind = 'customer'"
    near = db.execute(
        f"select distinct doc_id, levenshtein(doc_id, ?) {book} order by 2, 1 limit {NEAR}", [name]
    ).fetchall()
    hint = did_you_mean(name, [row[0] for row in near]) or "."
    raise UsageError(f"Customer {name!r} is not in the book; nothing was measured{hint}")


def read_subjects(db: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make book.subjects of the customers whose documents hold the name at all."""
    db.execute(
        "create or replace view facts.book_versions as from lake.facts.book_versions "
        f"where kind = 'customer' and (doc_id = {literal(name)} or contains(content, "
        f"trim(cast(to_json({literal(name)}) as varchar), '\"')))"
    )
    flatten(db)


def _refuse_unknown_batches(asked: Asked, head: int) -> None:
    for batch in (asked.known_at or 0, asked.since_batch):
        if not 0 <= batch <= head:
            raise UsageError(
                f"Batch {batch} is not known: the last one is {head}. Nothing was measured."
            )


def _windows(
    db: duckdb.DuckDBPyConnection,
    asked: Asked,
    meters: Meters,
    customer: str | None,
    last_on: date | None,
    choose: Choose,
) -> pl.DataFrame:
    """What is measured: charge windows, or pieces of a span; `ask_no`, and prices where asked."""
    until = last_on or date(1970, 1, 1)
    live = meters.live(asked.meter)
    if isinstance(asked.end, date):
        until = max(until, asked.end if not isinstance(asked.end, datetime) else asked.end.date())
    charged = usage_windows(db, [live], until)
    current = _current(charged)
    is_window = asked.per == "window" or (asked.per is None and asked.start is None)
    if is_window and charged.is_empty():
        raise UsageError(
            f"No contract of {asked.customer} reads meter {live}"
            + ("." if last_on is None else f" on or before {last_on}, the last day of usage.")
            + " Nothing was measured. Give --from and --to to measure a span of time."
        )
    if is_window and asked.start is None:
        return _numbered(current, charged, asked)
    zones = zones_of(db, asked, charged, customer, choose)
    spans = spans_of(asked, zones, current, last_on)
    if is_window:
        bounds = spans.select("customer_id", opens="window_start", closes="window_end")
        overlaps = (pl.col("window_start") < pl.col("closes")) & (
            pl.col("window_end") > pl.col("opens")
        )
        chosen = charged.join(bounds, on="customer_id").filter(overlaps)
        return _numbered(chosen.drop("opens", "closes"), charged, asked)
    cut = span_windows(_pooled(pieces(asked, spans).with_row_index("ask_no"), charged))
    return _with_prices(cut, charged) if asked.with_price else cut


def _numbered(chosen: pl.DataFrame, charged: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    """The windows with `ask_no`; where they are rated, with what their prices go on from."""
    found = with_earlier_parts(chosen, charged) if asked.with_price else chosen
    return found.with_row_index("ask_no")


def _current(charged: pl.DataFrame) -> pl.DataFrame:
    """The last window of each item that has begun on the last day of usage."""
    return charged.sort("window_start").unique(
        ["contract_id", "item_id"], keep="last", maintain_order=True
    )


def _pooled(pieces: pl.DataFrame, charged: pl.DataFrame) -> pl.DataFrame:
    """The pieces with whose usage they measure: that of the first item that reads the meter at
    their start, else the customer's own."""
    items = charged.sort("contract_id", "item_id").select(
        "customer_id", "usage_of", opens="window_start", closes="window_end"
    )
    holds = (pl.col("opens") <= pl.col("window_start")) & (
        pl.col("window_start") < pl.col("closes")
    )
    held = pieces.join(items, on="customer_id", maintain_order="right").filter(holds)
    first = held.unique("ask_no", keep="first", maintain_order=True).select("ask_no", "usage_of")
    return pieces.join(first, on="ask_no", how="left", maintain_order="left")


def _with_prices(pieces: pl.DataFrame, charged: pl.DataFrame) -> pl.DataFrame:
    """A piece for each item that reads the meter at its start, with the item's price there."""
    items = charged.select("customer_id", *PRICED, opens="window_start", closes="window_end")
    holds = (pl.col("opens") <= pl.col("window_start")) & (
        pl.col("window_start") < pl.col("closes")
    )
    held = pieces.join(items, on="customer_id").filter(holds).select("ask_no", *PRICED)
    never = pl.lit(value=False)
    return (
        pieces.drop("usage_of")
        .join(held, on="ask_no", how="left")
        .drop("ask_no")
        .with_columns(prorate_start=never, prorate_end=never)
        .with_row_index("ask_no")
    )


def _measured(
    db: duckdb.DuckDBPyConnection,
    asked: Asked,
    meters: Meters,
    definitions: pl.DataFrame,
    windows: pl.DataFrame,
) -> pl.DataFrame:
    numbered = windows.with_columns(pl.col("ask_no").cast(pl.Int64))
    asks = asks_of(numbered, definitions)
    if asks.is_empty():
        raise UsageError(
            f"No definition of meter {asked.meter} is in force then. Nothing was measured. "
            f"`meterhouse meters show {asked.meter}` lists from when each one holds; --version "
            "measures by one of them all the same."
        )
    found = measure(db, asks, asked.since_batch, meters.rules, asked_members(db, numbered))
    heads = asks.filter(pl.col("ask_no") == pl.col("part_of")).select("ask_no", "meter_version")
    told = numbered.drop("dimensions", strict=False).join(heads, on="ask_no")
    rows = told.join(found, on="ask_no").sort("ask_no", "dimensions")
    shown = ["customer_id", "contract_id", "item_id", "zone", "window_start", "window_end"]
    shown += ["meter_version", "dimensions", "quantity", "event_count", "is_measured"]
    if asked.with_price:
        is_window = "is_asked" in rows.columns
        rows = rated(with_ways(db, rows, meters, asked.meter) if is_window else rows)
        rows = rows.filter("is_asked") if is_window else rows
        shown += ["currency", "amount_unrounded", "amount"]
    return rows.select(name for name in shown if name in rows.columns)


def rated(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with what each costs: windows (`is_asked`) as parts of their periods, pieces of a
    span alone; null where no item has a price, or one that reads more than the quantity of a row
    (events, buckets, all dimension values at once)."""
    numbered = rows.with_row_index("line").with_columns(
        window_id=pl.col("line").cast(pl.String), charge_id=pl.col("ask_no").cast(pl.String)
    )
    if "price_model" not in rows.columns:
        raise UsageError("No contract reads the meter, so nothing has a price. Leave out --price.")
    priced = numbered.filter(pl.col("price_model").is_not_null())
    amounts = rate_windows_of_usage(priced) if "is_asked" in rows.columns else _alone(priced)
    return numbered.join(amounts, on="window_id", how="left").sort("line").drop("line", "window_id")


def _alone(pieces: pl.DataFrame) -> pl.DataFrame:
    """What each piece costs as if it were a period of its own."""
    own = ("charge_id", "dimensions", "price_model", "price", "modifiers", "currency", "quantity")
    reads: Sequence[str] = ("window_id", *own, *PRORATED)
    told = rate_usage(without_parts(pieces).select(reads))
    return told.select("window_id", "amount_unrounded", "amount")
