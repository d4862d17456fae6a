"""Ratios measured in one run: each step against a bare scan-and-group of the same events.

`make bench EVENTS=10_000_000`. Times on shared machines are noisy: read the ratios, and CPU before
wall. Everything runs in this process, warm: imports and the parse of the dbt project are left out.
"""

import argparse
import importlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.book import MIXED, write_book
from benchmarks.data import CUSTOMERS, TYPES, limit, write_usage
from meterhouse.lake import Lake
from meterhouse.run import steps
from meterhouse.run.bill import begin, bill
from meterhouse.run.ingest import ingest
from meterhouse.settings import Settings

THROUGH, NEXT_DAY = date(2026, 11, 1), date(2026, 11, 2)
FILE_EVENTS = 1_000_000
INVOICES, ITEMS = 100_000, 10
# With more events than these, both sizes are measured: what is new must not cost what is stored.
SMALLER = 10_000_000
RAW_MONTH = """
select * from facts.usage_events
where customer_id = ? and event_day >= date '2026-10-01' and event_day < date '2026-11-01'
order by event_type, occurred_at
"""
SETTINGS = "sources: {bench: {format: parquet}}\n"
# A month of one event for each item of each contract: what is rated, not what is metered.
ONE_EACH = """
copy (
    select md5(c || '-' || i) as id, 'type_' || i as type, 'customer_' || c as subject,
        timestamptz '2026-10-01 12:00:00+00' + to_seconds(c) as time,
        ((hash(c * 10 + i) % 1000000000) / 1000)::decimal(18, 6) as quantity,
        'region-1' as region, 'model-1' as model
    from range({customers}) customers(c), range({items}) items(i)
) to '{path}' (format parquet, compression zstd)
"""


def main() -> None:
    """Print the table, and the same as JSON beside it if `--output` names a file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=_number, default=10_000_000)
    parser.add_argument("--invoices", type=_number, default=INVOICES)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    content: dict[str, Any] = {"invoices": options.invoices}
    with tempfile.TemporaryDirectory() as folder:
        for events in sorted({min(options.events, SMALLER), options.events}):
            rows = measure(Path(folder) / "usage", events)
            table(rows, events)
            content[f"events_{events}"] = rows
        if options.invoices:
            rows = [rows[0], *measure_invoices(Path(folder) / "invoices", options.invoices)]
            table(rows, options.invoices * ITEMS)
            content["invoices_rows"] = rows
    if options.output:
        options.output.write_text(json.dumps(content, indent=1) + "\n")


def measure(home: Path, events: int) -> list[dict[str, Any]]:
    """One row per step of the way from source files to posted entries."""
    lake = _home(home)
    write_book(lake, CUSTOMERS, TYPES, TYPES, MIXED)
    # Warm: imports (Great Expectations alone takes 6 s) and the parsed dbt project.
    importlib.import_module("great_expectations")
    bill(lake, date(2026, 10, 1))
    files = _source_files(home / "source", events)
    limit(files)  # Into the cache of the operating system.
    rows = [timed("limit: scan and group", events, lambda: limit(files))]
    landing = lake.settings.landing("bench")
    landing.mkdir(parents=True, exist_ok=True)
    for file in files:
        file.rename(landing / file.name)
    rows.append(timed("ingest: source to lake", events, lambda: ingest(lake)))
    rows += _rebuild(lake, events)
    rows.append(timed("run: lake to posted entries", events, lambda: bill(lake, THROUGH)))
    rows.append(_sum("cold: source to posted entries", events, [rows[1], rows[-1]]))
    rows.append(timed("run: nothing new", events, lambda: bill(lake, THROUGH)))
    full = timed("run: nothing new, --full", events, lambda: bill(lake, THROUGH, full=True))
    rows.append(full)
    rows += _late_event(lake, landing, events)
    rows += _next_day(lake, landing, events)
    rows += _raw_month(lake)
    shutil.rmtree(home)
    return rows


def _late_event(lake: Lake, landing: Path, events: int) -> list[dict[str, Any]]:
    """One event of a day long past, from its file to the determinants of its window."""
    write_usage(landing / "usage-late.parquet", events * 2, events * 2 + 1, events * 4)
    loaded = timed("late event: to the lake", 1, lambda: ingest(lake))
    return [loaded, timed("late event: to its determinant", 1, lambda: _measure_new(lake))]


def _next_day(lake: Lake, landing: Path, events: int) -> list[dict[str, Any]]:
    """The next day's usage, two in a hundred late into the month that was billed."""
    more = max(events // 100, 1)
    write_usage(landing / "usage-next-day.parquet", events, events + more, events)
    rows = [timed("+1 % events: to the lake", more, lambda: ingest(lake))]
    rows.append(timed("+1 % events: to determinants", more, lambda: _measure_new(lake)))
    rows.append(_sum("+1 % events: lake and determinants", more, rows))
    rows.append(timed("+1 % events: run to posted entries", more, lambda: bill(lake, NEXT_DAY)))
    return rows


def _measure_new(lake: Lake) -> None:
    """The steps of a run up to determinants, on the warehouse as the last run left it."""
    with lake.run_lock.held(), begin(lake, NEXT_DAY, None, dry_run=False) as (run, _):
        with run.warehouse.connect(run.pin, run.known_at) as db:
            _, fold_from = steps.cut(run, db)
        steps.fold(run, fold_from)


def _raw_month(lake: Lake) -> list[dict[str, Any]]:
    """A month of raw events of the largest customer, one in the middle and a small one."""
    rows = []
    with lake.reading() as db:
        for name, place in (("largest", 0), ("middle", 200), ("small", 10_000)):
            read = partial(_month_of, db, f"customer_{place}")
            found = read()
            row = timed(f"raw events of a month: {name} customer", found, read)
            rows.append(row)
    return rows


def _month_of(db: duckdb.DuckDBPyConnection, customer: str) -> int:
    return db.execute(RAW_MONTH, [customer]).pl().height


def measure_invoices(home: Path, invoices: int) -> list[dict[str, Any]]:
    """Determinants to issued and posted documents, apart from the metering before them."""
    lake = _home(home)
    write_book(lake, invoices, ITEMS, ITEMS)
    landing = lake.settings.landing("bench")
    landing.mkdir(parents=True, exist_ok=True)
    path = landing / "one_each.parquet"
    duckdb.sql(ONE_EACH.format(customers=invoices, items=ITEMS, path=path))
    ingest(lake)
    lines = invoices * ITEMS
    rows: list[dict[str, Any]] = []
    with lake.run_lock.held(), begin(lake, THROUGH, None, dry_run=False) as (run, _):
        with run.warehouse.connect(run.pin, run.known_at) as db:
            _, fold_from = steps.cut(run, db)
        steps.fold(run, fold_from)

        def rated() -> None:
            with run.warehouse.connect(run.pin, run.known_at) as db:
                steps.rate(run, db)

        def drafted() -> None:
            with run.warehouse.connect(run.pin, run.known_at) as db:
                steps.draft(run, db)

        def checked() -> None:
            with run.warehouse.connect(run.pin, run.known_at) as db:
                steps.check(run, db)

        rows.append(timed("invoices: rate", lines, rated))
        rows.append(timed("invoices: assemble", lines, drafted))
        rows.append(timed("invoices: check", lines, checked))
        rows.append(timed("invoices: issue and post", lines, lambda: steps.issue_drafts(run)))
        rows.append(_sum("invoices: all four", lines, rows[-4:]))
    with lake.reading() as db:
        issued = db.sql("select count(*) from facts.documents").fetchone()
    if issued != (invoices,):
        raise SystemExit(f"{issued} documents were issued, not {invoices}.")
    return rows


def _home(folder: Path) -> Lake:
    folder.mkdir(parents=True)
    (folder / "meterhouse.yaml").write_text(SETTINGS)
    lake = Lake(Settings.load(folder))
    lake.create()
    return lake


def _source_files(folder: Path, events: int) -> list[Path]:
    folder.mkdir()
    files = []
    for first in range(0, events, FILE_EVENTS):
        path = folder / f"usage-{first // FILE_EVENTS:05d}.parquet"
        write_usage(path, first, min(first + FILE_EVENTS, events), events)
        files.append(path)
    return files


def _rebuild(lake: Lake, events: int) -> list[dict[str, Any]]:
    """Usage and determinants of all events from nothing, on a scratch warehouse; and of them the
    daily sums of the additive meters alone."""
    with lake.run_lock.held(), begin(lake, THROUGH, None, dry_run=True) as (run, _):
        with run.warehouse.connect(run.pin, run.known_at) as db:
            _, fold_from = steps.cut(run, db)
        whole = timed("rebuild: to determinants", events, lambda: steps.fold(run, fold_from))
        with run.warehouse.connect(run.pin, run.known_at) as db:
            days = "create temp table days as from staging.stg_facts__metered_days"
            daily = timed("rebuild: additive days alone", events, lambda: db.execute(days))
        return [daily, whole]


def _sum(name: str, events: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Several steps as one row."""
    seconds = sum(row["seconds"] for row in rows)
    return {
        "step": name,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(sum(row["cpu_seconds"] for row in rows), 3),
        "rows_per_second": round(events / seconds),
        "peak_mb": max(row["peak_mb"] for row in rows),
    }


def timed(name: str, events: int, work: Callable[[], object]) -> dict[str, Any]:
    """Run once and measure wall, CPU and peak memory of this process and its threads."""
    Path("/proc/self/clear_refs").write_text("5")  # Resets the peak.
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - wall
    return {
        "step": name,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "rows_per_second": round(events / seconds),
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def table(rows: list[dict[str, Any]], events: int) -> None:
    """Print the rows with their ratios to the first, the scan of cached files."""
    bare = rows[0]
    sys.stdout.write(f"{events:,} events, {CUSTOMERS:,} customers, one run, warm process\n")
    head = ("step", "s", "cpu s", "x limit", "x cpu", "rows/s", "peak MB")
    sys.stdout.write("{:32} {:>8} {:>8} {:>8} {:>8} {:>12} {:>8}\n".format(*head))
    for row in rows:
        wall = row["seconds"] / max(bare["seconds"], 0.001)
        cpu = row["cpu_seconds"] / max(bare["cpu_seconds"], 0.001)
        sys.stdout.write(
            f"{row['step']:32} {row['seconds']:8.2f} {row['cpu_seconds']:8.2f} {wall:8.1f} "
            f"{cpu:8.1f} {row['rows_per_second']:12,} {row['peak_mb']:8,}\n"
        )


def _number(text: str) -> int:
    return int(text.replace("_", ""))


if __name__ == "__main__":
    main()
