"""Cut every contract into charge windows, and plan what usage is to be folded for them."""

from datetime import date, timedelta

import duckdb
import polars as pl

from meterhouse.contracts.windows import charge_windows
from meterhouse.duck import identifier, literal
from meterhouse.lake import property_columns
from meterhouse.periods import zone_days, zone_offsets
from meterhouse.run.context import Run
from meterhouse.schema import PROPERTY_PREFIX
from meterhouse.warehouse import pin_table

NO_CONTRACT_ZONE = "UTC"
# Monthly periods and virtual ones before a stub reach this far past a contract's dates.
MARGIN = timedelta(days=70)


def make_windows(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Replace usage.zone_offsets, usage.zone_days and billing.charge_windows; returns windows."""
    contracts = db.sql("from book.contracts").pl()
    items = db.sql("from book.contract_items").pl()
    meters = db.sql("select meter_id, meter_version, slot_from, slot_to from book.meters").pl()
    first, last = _span(db, run.through)
    zones = sorted({*contracts["zone"].to_list(), NO_CONTRACT_ZONE})
    starts = [first, *contracts["start_on"].drop_nulls().to_list()]
    days = zone_days(zones, min(starts) - MARGIN, last + MARGIN)
    run.warehouse.replace(db, "usage.zone_offsets", zone_offsets(zones, first, last))
    run.warehouse.replace(db, "usage.zone_days", days)
    windows = charge_windows(contracts, items, days, last)
    with_meters = _with_meter_version(windows, meters)
    return run.warehouse.replace(db, "billing.charge_windows", with_meters)


def _span(db: duckdb.DuckDBPyConnection, through: date) -> tuple[date, date]:
    """First and last day that matter: events may lie before the first contract and after today."""
    row = db.execute("select min(event_day), max(event_day) from facts.usage_events").fetchone()
    first, last = row if row and row[0] is not None else (through, through)
    margin = timedelta(days=2)  # A local day may begin a day off the UTC day, on either side.
    return min(first, through) - margin, max(last, through) + margin


def _with_meter_version(windows: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    in_force = (
        windows.select("window_id", "meter_id", "window_start_on")
        .join(meters, on="meter_id")
        .filter(
            pl.col("slot_from") <= pl.col("window_start_on"),
            pl.col("window_start_on") < pl.col("slot_to"),
        )
        .select("window_id", "meter_version")
    )
    return windows.join(in_force, on="window_id", how="left", validate="1:1")


def plan_fold(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Replace ops.fold_plan: what each customer, zone and meter version has still to read.

    A new meter version, zone or customer reads from the first batch, for itself only. Returns the
    batch after which anything has to be read.
    """
    columns = property_columns(run.lake.columns(db, "usage_events"))
    filters = "".join(
        f", (filter->{literal(_path(name))})::varchar[] as {identifier('filter_' + name)}"
        for name, kind in columns.items()
        if not kind.lower().startswith("decimal")
    )
    db.execute(
        f"""
        create or replace table ops.fold_plan as
        with pairs as (
            select distinct customer_id, zone from book.contracts
            union
            select customer_id, '{NO_CONTRACT_ZONE}' from book.customers
            where customer_id not in (select customer_id from book.contracts)
        )
        select
            pairs.customer_id, pairs.zone, meters.meter_id, meters.meter_version,
            meters.event_type, meters.aggregation,
            '{PROPERTY_PREFIX}' || meters.property as property,
            coalesce(folded.folded_seq, 0) as from_seq, run.known_at{filters}
        from pairs
        cross join book.meters as meters
        cross join ops.run as run
        left join ops.folded as folded using (customer_id, zone, meter_id, meter_version)
        where coalesce(folded.folded_seq, 0) < run.known_at
        """
    )
    pin_table(db, "ops.fold_plan", 0)
    least = db.execute(
        "select coalesce(min(from_seq), (select known_at from ops.run)) from ops.fold_plan"
    ).fetchone()
    return int(least[0]) if least else 0


def _path(column: str) -> str:
    return '$."' + column.removeprefix(PROPERTY_PREFIX) + '"'
