"""The children of the other peers: `python -m benchmarks.peer_engines NAME WORK RESULT FILE…`.

Each groups the events of the files by customer, type and day, writes the groups as Parquet and
says what that cost. Meterhouse and the queries by customer write totals without days.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.children import measured, say, tree_cpu_seconds

GROUPED = (
    "select subject as customer, type, cast(time as date) as day, count(*) as events, "
    "sum(quantity) as quantity from {events} group by 1, 2, 3"
)
# One aggregate for each customer and meter, as a service that bills by queries asks them. In the
# server: a client would add its own way there and back to each.
BY_CUSTOMER = """
create table totals (customer text, type text, events bigint, quantity numeric);
create procedure ask() language plpgsql as $$
declare pair record;
begin
    for pair in select distinct subject, type from events loop
        insert into totals
        select pair.subject, pair.type, count(*), sum(quantity) from events
        where subject = pair.subject and type = pair.type
            and time >= '2026-10-01 00:00:00Z' and time < '2026-11-01 00:00:00Z';
    end loop;
end $$;
"""


def main() -> None:
    name, work, result, *files = sys.argv[1:]
    ENGINES[name](Path(work), result, files)


def duckdb_scan(work: Path, result: str, files: Sequence[str]) -> None:
    started = time.perf_counter()
    import duckdb

    db = duckdb.connect()
    say(import_seconds=round(time.perf_counter() - started, 3))
    db.execute("set timezone = 'UTC'")
    db.execute("set preserve_insertion_order = false")
    query = GROUPED.format(events=f"read_parquet({list(files)})")
    figures, _ = measured(lambda: db.execute(f"create temp table grouped as {query}"))
    say(**figures)
    db.execute(f"copy grouped to '{result}' (format parquet)")


def polars_streaming(work: Path, result: str, files: Sequence[str]) -> None:
    started = time.perf_counter()
    import polars as pl

    say(import_seconds=round(time.perf_counter() - started, 3))
    grouped = (
        pl.scan_parquet(list(files))
        .group_by(
            pl.col("subject").alias("customer"), "type", pl.col("time").dt.date().alias("day")
        )
        .agg(pl.len().cast(pl.Int64).alias("events"), pl.col("quantity").sum())
    )
    figures, frame = measured(lambda: grouped.collect(engine="streaming"))
    say(**figures)
    frame.write_parquet(result)


def postgresql(work: Path, result: str, files: Sequence[str]) -> None:
    started = time.perf_counter()
    from tests.servers.postgres import _running

    say(import_seconds=round(time.perf_counter() - started, 3))
    with tempfile.TemporaryDirectory(dir=work) as folder:
        Path(folder).chmod(0o755)
        with _running(Path(folder)) as server, server.connected() as connection:
            _ask_postgresql(connection, result, files, int(server.rows(_POSTMASTER)[0][0]))


_POSTMASTER = "select split_part(pg_read_file('postmaster.pid'), chr(10), 1)"  # its own process id


def _ask_postgresql(connection: Any, result: str, files: Sequence[str], postmaster: int) -> None:
    import duckdb

    cursor = connection.cursor()

    def run(*statements: str) -> Callable[[], None]:
        return lambda: [cursor.executescript(statement) for statement in statements] and None

    def load() -> None:
        reader = duckdb.sql(
            f"select subject, type, time, quantity from read_parquet({list(files)})"
        ).to_arrow_reader(100_000)
        cursor.adbc_ingest("events", reader, mode="append")

    run(
        "set timezone = 'UTC'",
        "create table events (subject text, type text, time timestamptz, quantity numeric(18, 6))",
    )()
    cursor.execute("select pg_backend_pid()")
    backend = int(cursor.fetchone()[0])
    indexed = ("create index by_customer on events (subject, type, time)", "analyze events")
    for step, work in (
        ("copy into the table", load),
        ("index by customer, type, time", run(*indexed)),
        ("one group by of all", run("create table grouped as " + GROUPED.format(events="events"))),
        ("a query for each customer and meter", run(BY_CUSTOMER, "call ask()")),
    ):
        say(step=step, **_in_server(work, (backend, postmaster)))
    cursor.execute("select customer, type, events, quantity::text as quantity from totals")
    totals = cursor.fetch_arrow_table()
    duckdb.sql(
        "copy (select customer, type, events, quantity::decimal(38, 6) as quantity from totals) "
        f"to '{result}' (format parquet)"
    )
    say(pairs=len(totals))


def _in_server(work: Callable[[], None], processes: Sequence[int]) -> dict[str, Any]:
    """CPU and peak memory of the server's process, and of this one where it feeds a copy."""
    backend = processes[0]
    Path(f"/proc/{backend}/clear_refs").write_text("5")
    before = sum(tree_cpu_seconds(process) for process in processes)
    figures, _ = measured(work)
    used = sum(tree_cpu_seconds(process) for process in processes) - before
    status = Path(f"/proc/{backend}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024
    return figures | {
        "cpu_seconds": round(figures["cpu_seconds"] + used, 3),
        "peak_mb": peak,
        "own_mb": None,
    }


def meterhouse(work: Path, result: str, files: Sequence[str]) -> None:
    """Ours: the daily aggregates of the same events, made anew from the lake."""
    started = time.perf_counter()
    from benchmarks.book import write_book
    from benchmarks.data import CUSTOMERS, TYPES
    from benchmarks.run import THROUGH, _home
    from meterhouse.run import steps
    from meterhouse.run.bill import begin, bill
    from meterhouse.run.ingest import ingest

    say(import_seconds=round(time.perf_counter() - started, 3))
    lake = _home(work / "meterhouse")
    write_book(lake, CUSTOMERS, TYPES, TYPES)
    bill(lake, date(2026, 10, 1))  # Warm: imports and the parsed dbt project.
    landing = lake.settings.landing("bench")
    landing.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        (landing / f"usage-{number:05d}.parquet").hardlink_to(file)
    figures, _ = measured(lambda: ingest(lake))
    say(step="ingest of the source files", **figures)
    with lake.run_lock.held(), begin(lake, THROUGH, None, dry_run=True) as (run, _):
        with run.warehouse.connect(run.pin, run.known_at) as db:
            _, fold_from = steps.cut(run, db)
        figures, _ = measured(lambda: steps.fold(run, fold_from))
        say(step="rebuild: daily aggregates, determinants", **figures)
        with run.warehouse.connect(run.pin, run.known_at) as db:
            db.execute(
                "copy (select customer_id as customer, replace(meter_id, 'meter', 'type') as type, "
                "sum(event_count)::bigint as events, sum(quantity) as quantity "
                f"from usage.daily group by all) to '{result}' (format parquet)"
            )


ENGINES: dict[str, Callable[[Path, str, Sequence[str]], None]] = {
    "duckdb": duckdb_scan,
    "polars": polars_streaming,
    "postgresql": postgresql,
    "meterhouse": meterhouse,
}

if __name__ == "__main__":
    main()
