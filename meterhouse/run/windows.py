"""Cut every contract into charge windows, and plan what usage is to be folded for them."""

from datetime import date, timedelta

import duckdb
import polars as pl

from meterhouse.contracts.windows import charge_windows
from meterhouse.duck import identifier, literal
from meterhouse.periods import zone_days, zone_offsets
from meterhouse.run.conserved import plan_count
from meterhouse.run.context import Run
from meterhouse.schema import PROPERTY_PREFIX, property_columns
from meterhouse.warehouse import pin_table

NO_CONTRACT_ZONE = "UTC"
FOLD_KEY = "(customer_id, zone, meter_id, meter_version)"
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
    count = run.warehouse.replace(db, "billing.charge_windows", with_meters)
    _make_coverage(db, last)
    return count


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


def _make_coverage(db: duckdb.DuckDBPyConnection, last: date) -> None:
    """Replace billing.coverage: spans of time in which an item reads its meter.

    Neighbouring windows are one span; one that reaches past the horizon has no end, so that a
    contract's spans do not change from day to day.
    """
    db.execute(
        """
        create or replace table billing.coverage as
        with windows as (
            select *, window_start is distinct from lag(window_end) over (
                partition by contract_id, item_id, meter_version order by window_start
            ) as is_new
            from billing.charge_windows where component = 'usage'
        ),
        islands as (
            select *, sum(is_new::int) over (
                partition by contract_id, item_id, meter_version order by window_start
            ) as island
            from windows
        )
        select
            customer_id, contract_id, item_id, meter_id, meter_version,
            min(window_start) as covered_from,
            case when max(window_end_on) > ? then timestamptz '9999-12-31 00:00:00+00'
                else max(window_end) end as covered_to
        from islands group by all
        """,
        [last],
    )
    pin_table(db, "billing.coverage", 0)


def plan_fold(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Replace ops.meter_plan, ops.fold_plan and ops.fate_plan: what has still to be read.

    A new meter version, zone or customer reads from the first batch, for itself only. Returns the
    batch after which anything has to be read.
    """
    _list_restated(run, db)
    _plan_meters(run, db)
    _forget_unplanned(db)
    _plan_fates(db)
    plan_count(db)
    least = db.execute(
        "select least("
        "(select coalesce(min(from_seq), max(known_at)) from ops.fold_plan), "
        "(select coalesce(min(from_seq), max(known_at)) from ops.fate_plan), "
        "(select known_at from ops.run))"
    ).fetchone()
    return int(least[0]) if least else 0


def _list_restated(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Add the events of new batches that replaced older versions to ops.restated."""
    row = db.execute("select max(batch_seq) from ops.restated_to").fetchone()
    done = int(row[0]) if row and row[0] is not None else 0
    db.execute("begin")
    db.execute(
        "insert into ops.restated select batch_seq, row_no, replaces_seq, replaces_row, "
        "coalesce(action = 'void', false) as is_void "
        f"from facts.usage_events where replaces_seq is not null and batch_seq > {done}"
    )
    db.execute("delete from ops.restated_to")
    db.execute("insert into ops.restated_to values (?)", [run.known_at])
    db.execute("commit")


def _plan_meters(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    columns = property_columns(run.lake.columns(db, "usage_events"))
    texts = [name for name, kind in columns.items() if not kind.lower().startswith("decimal")]
    filters = "".join(
        f", (filter->{literal(_path(name))})::varchar[] as {identifier('filter_' + name)}"
        for name in texts
    )
    is_filtered = " or ".join(f"(filter->{literal(_path(name))}) is not null" for name in texts)
    db.execute(
        f"""
        create or replace table ops.meter_plan as
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
            coalesce(folded.folded_seq, 0) as from_seq, run.known_at,
            row_number() over () as plan_no, {is_filtered or "false"} as is_filtered{filters}
        from pairs
        cross join book.meters as meters
        cross join ops.run as run
        left join ops.folded as folded using (customer_id, zone, meter_id, meter_version);
        create or replace table ops.fold_plan as
        select * from ops.meter_plan where from_seq < known_at;
        """
    )


def _forget_unplanned(db: duckdb.DuckDBPyConnection) -> None:
    """Drop the days of meter versions and zones that nothing reads any more.

    A meter corrected in its slot is another version, and a customer's first contract moves it out
    of the zone of those without one: what was folded before would be counted beside the new days.
    """
    gone = "select * from ops.folded anti join ops.meter_plan using " + FOLD_KEY
    if db.execute(f"{gone} limit 1").fetchone() is None:
        return
    db.execute("begin")
    db.execute(f"delete from usage.daily where {FOLD_KEY} in (select {FOLD_KEY} from ({gone}))")
    db.execute(f"delete from ops.folded where {FOLD_KEY} in (select {FOLD_KEY} from ({gone}))")
    db.execute("commit")


def _plan_fates(db: duckdb.DuckDBPyConnection) -> None:
    """Customers whose coverage changed lose their fates and read all their events again."""
    db.execute(
        """
        create or replace table ops.fate_plan as
        with spans as (
            select customer_id, md5(string_agg(
                concat_ws('|', meter_id, meter_version, covered_from, covered_to), ','
                order by meter_id, meter_version, covered_from, covered_to
            )) as spans_hash
            from billing.coverage group by customer_id
        ),
        known as (
            select md5(string_agg(concat_ws('|', meter_id, meter_version), ','
                order by meter_id, meter_version)) as meters_hash
            from book.meters
        ),
        hashed as (
            select customers.customer_id,
                md5(concat_ws('|', meters_hash, coalesce(spans_hash, ''))) as coverage_hash
            from book.customers as customers cross join known left join spans using (customer_id)
        )
        select hashed.customer_id, hashed.coverage_hash,
            case when fated.coverage_hash = hashed.coverage_hash then fated.folded_seq else 0 end
                as from_seq,
            run.known_at
        from hashed cross join ops.run as run left join ops.fated as fated using (customer_id);
        """
    )
    made = db.execute(
        "select 1 from duckdb_tables() where schema_name = 'usage' and table_name = 'fates'"
    ).fetchone()
    db.execute("begin")
    again = "customer_id in (select customer_id from ops.fate_plan where from_seq = 0)"
    if made:
        db.execute(f"delete from usage.fates where {again}")
    db.execute(f"delete from ops.fated where {again}")
    db.execute("delete from ops.fate_plan where from_seq >= known_at")
    db.execute("commit")


def _path(column: str) -> str:
    return '$."' + column.removeprefix(PROPERTY_PREFIX) + '"'
