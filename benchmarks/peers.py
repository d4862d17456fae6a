"""Other engines on the same events and the same question, each in a process of its own.

The question: events and exact quantity of each customer, type and day. All read the distinct
events of the files (of ours, ingest has taken the repeats out). PostgreSQL gets fewer events: its
rows compare with the scan of just those. `python -m benchmarks.peers --events 5_000_000`.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.children import child
from benchmarks.data import write_usage

FILE_EVENTS = 1_000_000
POSTGRESQL_EVENTS = 1_000_000
TOTALS = (
    "select customer, type, sum(events)::bigint as events, "
    "sum(quantity)::decimal(38, 6) as quantity from '{result}' group by all"
)


def main() -> None:
    """Print the table; `--output` writes it as JSON too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=_number, default=5_000_000)
    parser.add_argument("--postgresql-events", type=_number, default=POSTGRESQL_EVENTS)
    parser.add_argument("--chdb-python", default=sys.executable, help="interpreter that has chDB")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        work.chmod(0o755)
        files = []
        for first in range(0, options.events, FILE_EVENTS):
            files.append(work / f"usage-{len(files):05d}.parquet")
            write_usage(files[-1], first, min(first + FILE_EVENTS, options.events), options.events)
        rows = peers(
            files,
            work,
            postgresql_events=options.postgresql_events,
            chdb_python=options.chdb_python,
        )
    table(rows)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
    if any(row["equal"] is False for row in rows):
        raise SystemExit("A peer's sums differ from the exact ones; the rows say which.")


def peers(
    files: list[Path],
    work: Path,
    *,
    ours: Path | None = None,
    postgresql_events: int = POSTGRESQL_EVENTS,
    chdb_python: str = sys.executable,
) -> list[dict[str, Any]]:
    """One row for each peer and step, as `timed` gives, with `events`, `rows`, `equal`, `x_limit`.

    `ours` is a Parquet of what Meterhouse made of the same files: customer, type, events and
    quantity, with or without days. Without it, Meterhouse runs here as one more child.
    """
    work = work / "peers"
    work.mkdir(parents=True)
    work.chmod(0o755)
    distinct = _distinct(files, work / "distinct")
    bare = work / "duckdb.parquet"
    rows = _rows("DuckDB, bare scan", "duckdb", work, bare, distinct, bare)
    rows += _rows("polars, streaming", "polars", work, work / "polars.parquet", distinct, bare)
    rows += _chdb(chdb_python, work / "chdb.parquet", distinct, bare)
    if ours is None:
        result = work / "meterhouse.parquet"
        rows += _rows("Meterhouse", "meterhouse", work, result, files, bare)
    else:
        rows.append(_row("Meterhouse", {}, 0, _equal(ours, bare)))
    fewer = work / "fewer.parquet"
    duckdb.sql(
        f"copy (from read_parquet({_names(distinct)}) limit {postgresql_events}) "
        f"to '{fewer}' (format parquet, compression zstd)"
    )
    few = work / "duckdb-fewer.parquet"
    rows += _rows("DuckDB, fewer events", "duckdb", work, few, [fewer], few)
    answers = work / "postgresql.parquet"
    rows += _rows("PostgreSQL", "postgresql", work, answers, [fewer], few)
    return _with_ratios(rows)


def _distinct(files: list[Path], folder: Path) -> list[Path]:
    """The events once each, in as many files: repeats are equal, so that any will do."""
    folder.mkdir()
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.execute(
            f"create temp table events as select distinct on (id) * from read_parquet("
            f"{_names(files)}) order by id"
        )
        count = _count(db, "select count(*) from events")
        # In the order they arrived, as in the files: by time.
        db.execute("create temp table arrived as from events order by time, id")
        size = -(-count // len(files))
        for number in range(len(files)):
            db.execute(
                f"copy (from arrived limit {size} offset {number * size}) "
                f"to '{folder}/{number:05d}.parquet' (format parquet, compression zstd)"
            )
    return sorted(folder.iterdir())


def _rows(
    name: str, engine: str, work: Path, result: Path, files: list[Path], exact: Path
) -> list[dict[str, Any]]:
    said = child("benchmarks.peer_engines", engine, work, result, *files, seconds=1_800)
    return _judged(name, said, result, files, exact)


def _chdb(python: str, result: Path, files: list[Path], exact: Path) -> list[dict[str, Any]]:
    said = child("benchmarks.peer_chdb", result, *files, python=python)
    return _judged("chDB", said, result, files, exact)


def _judged(
    name: str, said: list[dict[str, Any]], result: Path, files: list[Path], exact: Path
) -> list[dict[str, Any]]:
    """The rows a child said, the last of them with whether its result is the exact one."""
    failed = next((row["failed"] for row in said if "failed" in row), None)
    events = _count(duckdb.connect(), f"select count(*) from read_parquet({_names(files)})")
    equal: bool | str = f"no result: {failed}" if failed else "the measure"
    if not failed and result != exact:
        equal = _equal(result, exact)
    steps = [row for row in said if "seconds" in row]
    facts = {key: row[key] for row in said for key in ("import_seconds", "pairs") if key in row}
    rows = [_row(name, step, events, None) for step in steps] or [_row(name, {}, events, None)]
    rows[-1] |= facts | {"equal": equal}
    if not failed:
        rows[-1]["rows"] = _count(duckdb.connect(), f"select count(*) from '{result}'")
    return rows


def _row(name: str, figures: dict[str, Any], events: int, equal: Any) -> dict[str, Any]:
    seconds = figures.get("seconds")
    return {
        "step": f"{name}: {figures['step']}" if "step" in figures else name,
        "seconds": seconds,
        "cpu_seconds": figures.get("cpu_seconds"),
        "rows_per_second": round(events / seconds) if seconds else None,
        "peak_mb": figures.get("peak_mb"),
        "events": events,
        "equal": equal,
    }


def _equal(result: Path, exact: Path) -> bool | str:
    """Whether two results agree to the last digit, in each day where both have days."""
    with duckdb.connect() as db:
        kinds = dict(
            db.execute(
                f"select column_name, column_type from (describe from '{result}')"
            ).fetchall()
        )
        if not kinds["quantity"].startswith("DECIMAL"):
            return f"inexact: its quantity is {kinds['quantity']}"
        query = TOTALS
        if "day" in kinds:
            query = TOTALS.replace("type,", "type, cast(day as date) as day,", 1)
        a, b = query.format(result=result), query.format(result=exact)
        return not _count(
            db,
            f"select count(*) from ((({a}) except ({b})) union all (({b}) except ({a})))",
        )


def _with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`x_limit`: CPU for each event against the scan of the same events above it."""
    bare = rows[0]
    for row in rows:
        if row["step"].startswith("DuckDB"):
            bare = row
        base = rows[0] if row["step"].startswith("Meterhouse") else bare
        row["x_limit"] = None
        if row["cpu_seconds"] is not None and base["cpu_seconds"]:
            each = row["cpu_seconds"] / max(row["events"], 1)
            row["x_limit"] = round(each / (base["cpu_seconds"] / base["events"]), 1)
    return rows


def table(rows: list[dict[str, Any]]) -> None:
    """Print the rows; an empty place was not measured."""
    head = ("peer", "events", "s", "cpu s", "x cpu", "peak MB", "equal to the last digit")
    sys.stdout.write("{:52} {:>11} {:>8} {:>8} {:>7} {:>8}  {}\n".format(*head))
    for row in rows:
        figures = (row[key] for key in ("seconds", "cpu_seconds", "x_limit", "peak_mb"))
        texts = ["" if figure is None else f"{figure:,}" for figure in figures]
        equal = {True: "yes", False: "NO", None: ""}.get(row["equal"], row["equal"])
        pairs = f", {row['pairs']:,} pairs" if "pairs" in row else ""
        sys.stdout.write(
            "{:52} {:>11,} {:>8} {:>8} {:>7} {:>8}  ".format(row["step"], row["events"], *texts)
            + f"{equal}{pairs}\n"
        )


def _names(files: list[Path]) -> list[str]:
    return [str(file) for file in files]


def _count(db: duckdb.DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    return int(row[0]) if row else 0


def _number(text: str) -> int:
    return int(text.replace("_", ""))


if __name__ == "__main__":
    main()
