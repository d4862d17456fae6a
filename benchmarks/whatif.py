"""How long a what-if takes: `python -m benchmarks.whatif --customers N --months M`.

A home of its own: N contracts with usage on three days of each month, a monthly minimum for every
tenth; then every price is raised. Timed are the what-if of all, and the preview in money of a plan
that changes one contract; reading the folder is told apart. CPU seconds of this process count: wall
times on a shared machine say more of its other guests.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from click.testing import CliRunner

from meterhouse.cli.app import App
from meterhouse.cli.main import cli
from meterhouse.run.applying import planned
from meterhouse.run.previewing import preview
from meterhouse.run.whatif import whatif

HEAD = """\
kind: entity
id: us
legal_name: Bench Inc
address: {line1: 1 Pine Street, city: Albany, country: US}
base_currency: USD
zone: UTC
approval: automatic
---
kind: payment_terms
id: net30
description: Thirty days
net_days: 30
---
kind: event_type
id: request
properties:
  tokens: {type: integer}
---
kind: meter
id: tokens
event_type: request
aggregation: sum
property: tokens
unit: token
"""
BUYER = """\
---
kind: customer
id: c{n}
name: Customer {n}
tax: {{treatment: exempt, reason: Bench}}
---
kind: contract
id: k{n}
customer: c{n}
entity: us
currency: USD
zone: UTC
start: 2025-01-01
payment_terms: net30
items:
  - id: use
    description: Use
    meter: tokens
    price: {{model: per_unit, unit_amount: "{price}"}}
{more}"""
MINIMUM = '    modifiers: {minimum: {amount: "100"}}\n'


def month_start(number: int) -> date:
    """The first day of the month that many months after January 2025."""
    return date(2025 + number // 12, number % 12 + 1, 1)


def write_book(folder: Path, customers: int, price: str) -> None:
    """One file with everything."""
    folder.mkdir(parents=True, exist_ok=True)
    buyers = (
        BUYER.format(n=n, price=price, more="" if n % 10 else MINIMUM) for n in range(customers)
    )
    (folder / "book.yaml").write_text(HEAD + "".join(buyers))


def events(customers: int, months: int) -> Iterator[str]:
    """Usage on three days of each month, one JSON line each."""
    for month in range(months):
        start = month_start(month)
        for n in range(customers):
            for day in (3, 13, 23):
                yield json.dumps(
                    {"id": f"{n}-{month}-{day}", "type": "request", "subject": f"c{n}",
                     "time": f"{start.replace(day=day)}T12:00:00Z", "data": {"tokens": n % 97 + 1}}
                ) + "\n"  # fmt: skip


def call(home: Path, *words: object) -> None:
    """One command of the command line; a fault ends the benchmark."""
    done = CliRunner().invoke(cli, ["--home", str(home), *map(str, words)])
    if done.exit_code:
        raise SystemExit(done.output)


def main() -> None:
    """Make the home, time what-if and plan, print seconds and what changes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=12)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        write_book(home / "book", asked.customers, "2")
        (home / "meterhouse.yaml").write_text("sources: {api: {}}\n")
        usage = home / "usage.ndjson"
        usage.write_text("".join(events(asked.customers, asked.months)))
        until = month_start(asked.months)
        call(home, "init")
        call(home, "apply", "--yes")
        call(home, "ingest", usage, "--source", "api")
        call(home, "run", "--through", until)
        write_book(home / "other", asked.customers, "3")
        lake = App(home).lake
        one = home / "one"
        one.mkdir()
        (one / "one.yaml").write_text(BUYER.format(n=1, price="3", more="").lstrip("-\n"))
        size = f"{asked.customers:,} customers, {asked.months} months"
        with timed(f"{size}: reading the folder"):
            planned(lake, home / "other", is_strict_only=True)
        with timed(f"{size}: what-if with reading the folder"):
            found = whatif(lake, home / "other", date(2025, 1, 1), until, print)
        print(found.totals)
        changes = planned(lake, one, is_strict_only=True).changes
        with timed(f"{size}: plan of one contract in money"):
            changed = preview(lake, changes, until, print)
        print(changed and changed.customers)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the seconds of the block, CPU and wall, and the peak of memory so far."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    took = f"{time.process_time() - cpu:.1f} s CPU, {time.perf_counter() - wall:.1f} s"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{what}: {took}, peak {peak:,} MB", flush=True)


if __name__ == "__main__":
    main()
