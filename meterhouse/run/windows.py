"""Cut every contract into charge windows, and each window into the version of its meter."""

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import sha256_text
from meterhouse.contracts.covered import never_due
from meterhouse.contracts.notices import contract_terms
from meterhouse.contracts.segments import Series
from meterhouse.contracts.uplifts import uplifts, with_raised
from meterhouse.contracts.windows import charge_windows, margin
from meterhouse.periods import zone_days, zone_offsets
from meterhouse.run.context import Run
from meterhouse.run.grants import with_sales
from meterhouse.run.history_covered import covered_hash, read_covered
from meterhouse.run.kept import WINDOWS, forget, is_kept, keep, made_of_windows
from meterhouse.run.planning import NO_CONTRACT_ZONE
from meterhouse.run.pooling import MEMBERS, members_of, with_payers
from meterhouse.run.settling import read_plans
from meterhouse.warehouse import pin_table

# Monthly periods and virtual ones before a stub reach this far past a contract's dates.
MARGIN = timedelta(days=70)
# Windows that are cut at once, in memory.
GROUP = 200_000
TERMS, UPLIFTS = "billing.contract_terms", "billing.modifier_uplifts"
TABLES = (
    *("usage.zone_offsets", "usage.zone_days"),
    *("billing.charge_windows", "billing.window_members", "billing.coverage", TERMS, UPLIFTS),
)


def make_windows(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Have usage.zone_offsets, usage.zone_days, billing.charge_windows and billing.coverage say
    what the book says; returns the number of windows."""
    first, last = _span(db, run.through)
    # Windows are made of the book, these days and their zones alone; whatever else they read
    # belongs in here.
    told = (str(first), str(last), _zone_rules(db, first, last), covered_hash(db))
    made_of = made_of_windows(db, *told)
    if is_kept(db, WINDOWS, made_of):
        return _pin_again(db)
    forget(db, WINDOWS)
    count = _cut(run, db, first, last)
    keep(db, WINDOWS, made_of)
    return count


def _zone_rules(db: duckdb.DuckDBPyConnection, first: date, last: date) -> str:
    """What the zones of the contracts say in this span: rules change without the book."""
    named = db.execute("select distinct zone from book.contracts").fetchall()
    zones = sorted({NO_CONTRACT_ZONE, *(row[0] for row in named)})
    return sha256_text(zone_offsets(zones, first, last).write_csv())


def _pin_again(db: duckdb.DuckDBPyConnection) -> int:
    """Say that the tables belong to the present run, which would make them as they are."""
    rows = dict(
        db.execute(
            "select table_name, rows from ops.pins where list_contains(?, table_name)", [[*TABLES]]
        ).fetchall()
    )
    for table in TABLES:
        pin_table(db, table, rows[table])
    return int(rows["billing.charge_windows"])


def _cut(run: Run, db: duckdb.DuckDBPyConnection, first: date, last: date) -> int:
    """Replace the tables, for the days from first to last."""
    contracts = db.sql("from book.contracts").pl()
    items = db.sql("from book.contract_items").pl()
    meters = db.sql("select meter_id, meter_version, slot_from, slot_to from book.meters").pl()
    zones = sorted({*contracts["zone"].to_list(), NO_CONTRACT_ZONE})
    starts = [first, *contracts["start_on"].drop_nulls().to_list()]
    around = margin(items, MARGIN)
    days = zone_days(zones, min(starts) - around, last + around)
    run.warehouse.replace(db, "usage.zone_offsets", zone_offsets(zones, first, last))
    run.warehouse.replace(db, "usage.zone_days", days)
    series = read_series(db)._replace(covered=read_covered(db))
    risen = uplifts(contracts, series.plans, last)
    run.warehouse.replace(db, UPLIFTS, risen)
    months = (last.year - min(starts).year) * 12 + last.month - min(starts).month + 1
    count, members = 0, []
    db.execute("begin")
    db.execute("drop table if exists billing.charge_windows")
    for some in _groups(contracts, items.height * months):
        mine = _of(some, contracts), _of(some, items), days, last, series_of(some, series)
        cut = charge_windows(*mine)
        sold = with_sales(db, with_raised(cut, _of(some, risen)), last, some)
        windows = never_due(sold, series.covered)
        with_meters = with_payers(db, with_meter_version(windows, meters))
        members.append(members_of(db, with_meters))
        count += _add(db, with_meters)
    pin_table(db, "billing.charge_windows", count)
    db.execute("commit")
    run.warehouse.replace(db, MEMBERS, pl.concat(members))
    _make_coverage(db, last)
    renewals = db.sql("from book.renewals").pl()
    run.warehouse.replace(db, TERMS, contract_terms(contracts, items, renewals, series, last))
    return count


def _groups(contracts: pl.DataFrame, windows: int) -> list[pl.DataFrame]:
    """The ids of contracts in groups of about GROUP windows; at least one group."""
    ids = contracts.select("contract_id").sort("contract_id")
    size = max(1, ids.height * GROUP // max(windows, 1))
    return [ids.slice(first, size) for first in range(0, ids.height, size)] or [ids]


def _of(some: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of some contracts, in their order."""
    return frame.join(some, on="contract_id", how="semi", maintain_order="left")


def series_of(some: pl.DataFrame, series: Series) -> Series:
    """What the book says with dates of some contracts."""

    def of(given: Any) -> Any:
        return {
            name: _of(some, frame) if "contract_id" in frame.columns else frame
            for name, frame in given._asdict().items()
            if isinstance(frame, pl.DataFrame)
        }

    return series._replace(**of(series), plans=series.plans._replace(**of(series.plans)))


def _add(db: duckdb.DuckDBPyConnection, windows: pl.DataFrame) -> int:
    """Add the windows to billing.charge_windows, which is made where it is not there."""
    db.register("cut_in", windows.to_arrow())
    db.execute("create table if not exists billing.charge_windows as from cut_in limit 0")
    db.execute("insert into billing.charge_windows by name from cut_in")
    db.unregister("cut_in")
    return windows.height


def read_series(db: duckdb.DuckDBPyConnection) -> Series:
    """What the book's contracts say with dates."""
    return Series(
        quantities=db.sql("from book.item_quantities").pl(),
        prices=db.sql("from book.item_prices").pl(),
        pauses=db.sql("from book.pauses").pl(),
        anchors=db.sql("from book.anchor_changes").pl(),
        plans=read_plans(db),
    )


def _span(db: duckdb.DuckDBPyConnection, through: date) -> tuple[date, date]:
    """First and last day that matter: events may lie before the first contract and after today.

    Whole months, so that windows and zones stand for a month of runs.
    """
    row = db.execute("select min(event_day), max(event_day) from facts.usage_events").fetchone()
    first, last = row if row and row[0] is not None else (through, through)
    # A meter may go by the clock of our receipt.
    received = db.execute(
        "select cast(min(received_at) as date), cast(max(received_at) as date) from facts.batches"
    ).fetchone()
    if received and received[0] is not None:
        first, last = min(first, received[0]), max(last, received[1])
    margin = timedelta(days=2)  # A local day may begin a day off the UTC day, on either side.
    first, last = min(first, through) - margin, max(last, through) + margin
    return first.replace(day=1), last.replace(day=monthrange(last.year, last.month)[1])


def with_meter_version(windows: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
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
    """Replace billing.coverage: spans of time in which an item reads its meter of a customer.

    Neighbouring windows are one span; one that reaches past the horizon has no end, so that a
    contract's spans do not change from day to day.
    """
    db.execute(
        """
        create or replace table billing.coverage as
        with read as (
            select customer_id, contract_id, item_id, meter_id, meter_version, window_start,
                window_end, window_end_on
            from billing.charge_windows where component = 'usage' and usage_of is null
            union all
            select members.customer_id, contract_id, item_id, meter_id, meter_version,
                members.read_from, members.read_to,
                case when members.read_to < window_end then members.until_on else window_end_on end
            from billing.charge_windows join billing.window_members as members using (window_id)
        ),
        windows as (
            select *, window_start is distinct from lag(window_end) over (
                partition by customer_id, contract_id, item_id, meter_version
                order by window_start
            ) as is_new
            from read
        ),
        islands as (
            select *, sum(is_new::int) over (
                partition by customer_id, contract_id, item_id, meter_version
                order by window_start
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
