"""Ratios measured in one run: each step against a bare scan-and-group of the same events.

`make bench EVENTS=1_000_000`. Times on shared machines are noisy; read the ratios. The first run
of dbt in the process is left out, because it parses the project.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.bill import bill
from meterhouse.run.ingest import ingest
from meterhouse.settings import Settings

CUSTOMERS = 1_000
THROUGH = date(2026, 11, 1)
SETTINGS = "sources: {bench: {format: parquet}}\nfuture_tolerance_hours: 87600\n"
SELLER = """
kind: entity
id: seller
legal_name: Bench Inc
address: {line1: 1 Street, city: Town, country: US}
base_currency: USD
zone: UTC
approval: automatic
---
{kind: payment_terms, id: net30, net_days: 30}
---
{kind: event_type, id: call, properties: {tokens: {type: integer}}}
---
{kind: meter, id: calls, event_type: call, aggregation: count, unit: call, decimals: 0}
---
{kind: meter, id: tokens, event_type: call, aggregation: sum, property: tokens, unit: token,
 decimals: 0}
"""
CUSTOMER = """
---
{{kind: customer, id: c{n}, name: Customer {n}, tax: {{treatment: out_of_scope, reason: bench}}}}
---
kind: contract
id: k{n}
customer: c{n}
entity: seller
currency: USD
zone: {zone}
start: 2026-10-01
payment_terms: net30
items:
  - {{id: calls, description: Calls, meter: calls, timing: arrears,
     price: {{model: per_unit, unit_amount: "0.001"}}}}
  - {{id: tokens, description: Tokens, meter: tokens, timing: arrears,
     price: {{model: graduated, tiers: [{{up_to: "1000000", unit_amount: "0.000003"}},
       {{up_to: null, unit_amount: "0.000002"}}]}}}}
"""
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Europe/Berlin")


def main() -> None:
    """Print the table, and the same as JSON beside it if `--output` names a file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=lambda text: int(text.replace("_", "")), default=1_000_000)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.events)
    table(rows, options.events)
    if options.output:
        options.output.write_text(json.dumps({"events": options.events, "rows": rows}, indent=1))


def measure(home: Path, events: int) -> list[dict[str, Any]]:
    """One row per step: name, wall and CPU seconds, events per second."""
    (home / "meterhouse.yaml").write_text(SETTINGS)
    write_book(home)
    lake = Lake(Settings.load(home))
    lake.create()
    apply_book(lake)
    landing = home / "landing" / "bench"
    landing.mkdir(parents=True)
    source = home / "source.parquet"
    generate(source, 0, events)
    rows = [timed("limit: scan and group", events, lambda: limit(source))]
    bill(lake, date(2026, 10, 1))  # Warm: imports and the parsed dbt project.
    source.rename(landing / "a.parquet")
    rows.append(timed("ingest: file to sorted, deduplicated lake", events, lambda: ingest(lake)))
    rows.append(timed("run: lake to issued and posted", events, lambda: bill(lake, THROUGH)))
    rows.append(timed("run: nothing new", events, lambda: bill(lake, THROUGH)))
    more = max(events // 100, 1)
    generate(landing / "b.parquet", events - more // 10, events + more)
    rows.append(timed("+1 % late events, ingest and run", more, lambda: bill(lake, THROUGH)))
    return rows


def write_book(home: Path) -> None:
    """A thousand customers in four zones, two meters each."""
    (home / "book").mkdir()
    customers = (CUSTOMER.format(n=n, zone=ZONES[n % len(ZONES)]) for n in range(CUSTOMERS))
    (home / "book" / "book.yaml").write_text(SELLER + "".join(customers))


def generate(path: Path, first: int, last: int) -> None:
    """Events numbered first to last over October 2026, customers skewed, 1 % sent twice."""
    duckdb.sql(f"""
        copy (
            select 'e' || (i - (i % 100 = 99)::int) as id, 'call' as type,
                'c' || cast(floor(pow({CUSTOMERS}, (hash(i) % 10000) / 10000.0)) - 1 as int)
                    as subject,
                timestamp '2026-10-01' + to_milliseconds((i * 2678400000 // {last + 1})::bigint)
                    as time,
                (hash(i + 7) % 2000)::bigint as tokens
            from range({first}, {last}) r(i)
        ) to '{path}' (format parquet, compression zstd)
    """)


def limit(source: Path) -> None:
    """What any engine must do at least: read the events once and group them."""
    duckdb.sql(
        f"select subject, cast(time as date), count(*), sum(tokens) from '{source}' group by all"
    ).fetchall()


def timed(name: str, events: int, work: Callable[[], object]) -> dict[str, Any]:
    """Run once and measure wall and CPU of this process and its threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - wall
    return {
        "step": name,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "events_per_second": round(events / seconds),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def table(rows: list[dict[str, Any]], events: int) -> None:
    """Print the rows with their ratio to the first."""
    bare = rows[0]["cpu_seconds"] or 0.001
    sys.stdout.write(f"{events:,} events, {CUSTOMERS:,} customers, one run, warm process\n")
    head = f"{'step':45} {'s':>8} {'cpu s':>8} {'x limit':>8} {'events/s':>12} {'peak MB':>8}\n"
    sys.stdout.write(head)
    for row in rows:
        ratio = row["cpu_seconds"] / bare
        sys.stdout.write(
            f"{row['step']:45} {row['seconds']:8.2f} {row['cpu_seconds']:8.2f} {ratio:8.1f} "
            f"{row['events_per_second']:12,} {row['peak_mb']:8,}\n"
        )


if __name__ == "__main__":
    main()
