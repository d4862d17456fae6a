"""The one door to what is derived: a plain DuckDB file that may be deleted at any time.

Only the holder of the run lock writes it. Readers open the published copy.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from meterhouse.duck import connect, identifier, literal
from meterhouse.durable import fsync
from meterhouse.exact import make_exact
from meterhouse.failpoints import failpoint
from meterhouse.lake import Lake, Pin
from meterhouse.lake_views import views_at
from meterhouse.settings import Settings

SCHEMAS = ("staging", "book", "usage", "billing", "accounting", "receivables", "reporting", "ops")

OPS = """
create table if not exists ops.run (
    run_id varchar, through date, known_at bigint, snapshot bigint
);
create table if not exists ops.pins (
    table_name varchar primary key, known_at bigint, through date, run_id varchar, rows bigint
);
create table if not exists ops.folded (
    customer_id varchar, zone varchar, meter_id varchar, meter_version bigint, folded_seq bigint
);
-- Of which lake, at which snapshot, and by which code it was made.
create table if not exists ops.lake (
    lake_id varchar, snapshot bigint, snapshot_at varchar, code varchar
);
create table if not exists ops.restated (
    batch_seq bigint, row_no bigint, replaces_seq bigint, replaces_row bigint, is_void boolean
);
-- One of an earlier release knows of no voids, because there were none.
alter table ops.restated add column if not exists is_void boolean default false;
create table if not exists ops.conserved (
    customer_id varchar, zone varchar, meter_id varchar, meter_version bigint,
    quantity decimal(38, 12), counted_to bigint
);
create table if not exists ops.counted (customer_id varchar, events bigint, counted_to bigint);
create table if not exists ops.restated_to (batch_seq bigint);
create table if not exists ops.measured_asks (window_id varchar, ask_hash varchar);
-- Windows that were measured after their determinants were made.
create table if not exists ops.remeasured (window_id varchar);
create table if not exists ops.measured_to (batch_seq bigint);
-- Meters that run beside others; the tables stay empty where a book has none.
create table if not exists ops.shadow_measured_asks (window_id varchar, ask_hash varchar);
create table if not exists ops.shadow_measured_to (batch_seq bigint);
create table if not exists usage.shadow_determinants (
    shadow_id varchar, window_id varchar, meter_id varchar, meter_version bigint,
    dimensions varchar, quantity decimal(38, 12), event_count bigint, is_measured boolean
);
create table if not exists billing.shadow_lines (
    shadow_id varchar, window_id varchar, side varchar, meter_id varchar, meter_version bigint,
    dimensions varchar, quantity decimal(38, 12), amount_unrounded decimal(38, 18),
    amount decimal(38, 18)
);
create table if not exists ops.fated (
    customer_id varchar, coverage_hash varchar, folded_seq bigint
);
create table if not exists ops.stated_days (
    source varchar, event_day date, events bigint, property varchar, total decimal(38, 12),
    counted_to bigint
);
create table if not exists ops.held_days (
    source varchar, event_day date, event_type varchar, events bigint, total decimal(38, 12)
);
create table if not exists ops.source_days (
    source varchar, event_type varchar, event_day date, events bigint, counted_to bigint
);
-- Which views facts.* stand; see lake_views.py.
create table if not exists ops.viewed (mark varchar);
create table if not exists ops.kept (step varchar primary key, made_of varchar);
create table if not exists ops.determined (known_at bigint);
create table if not exists ops.watch (
    source varchar, meter_id varchar, customer_id varchar, unknown_name varchar,
    is_ignored boolean, expected_every_days bigint, gap_factor bigint, least_gap_days bigint,
    learn_from_days bigint, new_customer_days bigint,
    drop_used_days bigint, drop_of_days bigint, drop_quiet_days bigint, drop_told_days bigint,
    spike_factor decimal(6, 2), spike_peak_factor decimal(6, 2), spike_above decimal(38, 12),
    spike_used_days bigint, spike_of_days bigint, spike_told_days bigint
);
"""


class Warehouse:
    """One warehouse file and the lake it derives from."""

    def __init__(self, lake: Lake, path: Path | None = None) -> None:
        self.lake = lake
        self.path = path or lake.settings.warehouse

    @property
    def settings(self) -> Settings:
        """Settings of the home."""
        return self.lake.settings

    @contextmanager
    def connect(self, pin: Pin, known_at: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A writing connection with the lake attached at the pin and views `facts.*`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with connect(self.settings, self.path) as db:
            self.lake.attach_pinned(db, pin)
            _make(db)
            views_at(db, pin.snapshot, pin.batch_seq if known_at is None else known_at)
            yield db

    def replace(self, db: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> int:
        """Replace a derived table by a frame and pin it to the run, in one transaction."""
        db.register("frame_in", frame.to_arrow())
        rows = self.replace_by(db, table, "select * from frame_in")
        db.unregister("frame_in")
        return rows

    def replace_by(self, db: duckdb.DuckDBPyConnection, table: str, select: str) -> int:
        """Replace a derived table by the rows of a SELECT and pin it to the run, in one
        transaction; returns their number."""
        schema, name = table.split(".")
        target = f"{schema}.{identifier(name)}"
        db.execute("begin")
        db.execute(f"create or replace table {target} as {select}")
        counted = db.execute(f"select count(*) from {target}").fetchone()
        rows = int(counted[0]) if counted else 0
        pin_table(db, table, rows)
        db.execute("commit")
        return rows

    def publish(self) -> bool:
        """Copy the warehouse for readers if it changed; returns whether it did."""
        target = self.settings.published
        target.parent.mkdir(parents=True, exist_ok=True)
        with connect(self.settings, self.path) as db:
            is_same = target.exists() and _pins_of(db) == _pins_in(db, target)
            db.execute("checkpoint")
        if is_same:
            return False
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        shutil.copyfile(self.path, temporary)
        fsync(temporary)
        failpoint("publish.copied")
        temporary.replace(target)
        fsync(target.parent)
        failpoint("publish.renamed")
        return True


def _make(db: duckdb.DuckDBPyConnection) -> None:
    """Schemas, tables of ops and macros that are not there, in one transaction instead of forty."""
    db.execute("begin")
    for schema in SCHEMAS:
        db.execute(f"create schema if not exists {schema}")
    db.execute(OPS)
    make_exact(db)
    db.execute("commit")


PINS = "select table_name, known_at, through, run_id, rows from {}ops.pins order by table_name"


def _pins_of(db: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return db.execute(PINS.format("")).fetchall()


def _pins_in(db: duckdb.DuckDBPyConnection, published: Path) -> list[tuple[Any, ...]] | None:
    """The pins of the published copy; None if it cannot be read, so that it is replaced."""
    try:
        db.execute(f"attach {literal(str(published))} as published (read_only)")
        return db.execute(PINS.format("published.")).fetchall()
    except duckdb.Error:
        return None
    finally:
        db.execute("detach database if exists published")


def pin_table(db: duckdb.DuckDBPyConnection, table: str, rows: int) -> None:
    """Write that `table` belongs to the present run; issuing refuses tables of another one."""
    db.execute(
        "insert or replace into ops.pins select ?, known_at, through, run_id, ? from ops.run",
        [table, rows],
    )
