"""Exact deduplication over all time: what a batch costs in each layout, on the same events.

`python -m benchmarks.dedupe_layouts --keys 10_000_000`. Each layout builds in one process and
judges two batches in another: the first opens the state, the second finds it open.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.children import child, measured, say, size_mb
from benchmarks.layouts import LAYOUTS, Case, connect

BATCHES = 2
DAYS = 31
SECONDS = 300
# An id is 32 hexadecimal digits, as a UUID; stored events lie in the order of their days.
EVENT = """
select 'bench' as source, lower(hex(hash(n))) || lower(hex(hash(n + 77777777777))) as event_id,
    {day} as event_day, n // {size} + 1 as batch_seq
"""


def main() -> None:
    """Print a table; `--output` writes it as JSON too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=_number, default=10_000_000)
    parser.add_argument("--batch", type=_number, default=500_000)
    parser.add_argument("--layout", action="append", choices=list(LAYOUTS))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--child", nargs=3, metavar=("WORK", "NAME", "STEP"))
    options = parser.parse_args()
    if options.child:
        _work(Path(options.child[0]), options.child[1], options.child[2])
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _write(work, options.keys, options.batch)
        rows = []
        for name in options.layout or LAYOUTS:
            rows.append(_measure(work, name, options.batch))
            _print(rows[-1])
    if options.output:
        content = {"keys": options.keys, "batch": options.batch, "rows": rows}
        options.output.write_text(json.dumps(content, indent=1) + "\n")


def _write(work: Path, keys: int, batch: int) -> None:
    """Stored events by day, and batches: one id in a hundred comes again on its day, one in a
    thousand on another day."""
    with connect() as db:
        for day in range(DAYS):
            folder = work / "stored" / f"event_day=2026-10-{day + 1:02d}"
            folder.mkdir(parents=True)
            db.execute(
                f"copy ({EVENT.format(day='0', size=batch)} from range("
                f"{keys * day // DAYS}, {keys * (day + 1) // DAYS}) given(n)) "
                f"to '{folder}/data.parquet' (format parquet, compression zstd)".replace(
                    "0 as event_day, ", ""
                )
            )
        for number in range(BATCHES):
            _write_batch(db, work, number, keys, batch)


def _write_batch(db: Any, work: Path, number: int, keys: int, batch: int) -> None:
    first = keys + number * batch
    own_day = f"date '2026-10-01' + (n * {DAYS} // {keys})::integer"
    # New events fall on the last six days; so do those that come again, but for one in eleven.
    again, moved = batch // 100, batch // 1000
    recent, older = keys * 25 // DAYS + 1, keys * 20 // DAYS
    selects = [
        EVENT.format(day="date '2026-10-26' + (hash(n) % 6)::integer", size=batch)
        + f"from range({first}, {first + batch - again - moved}) given(n)",
        EVENT.format(day=own_day, size=batch)
        + f"from (select {recent} + k * {(keys - recent) // (again + 1)} + {number} as n "
        f"from range({again}) given(k))",
        EVENT.format(day="date '2026-10-31'", size=batch)
        + f"from (select {older} + k * 7 + {number} as n from range({moved}) given(k))",
    ]
    path = work / f"batch-{number}.parquet"
    db.execute(f"copy ({' union all '.join(selects)}) to '{path}' (format parquet)")
    db.execute(
        f"copy (select * replace ({keys // batch + number + 1}::bigint as batch_seq) "
        f"from '{path}') to '{work}/loaded-{number}' (format parquet, partition_by (event_day))"
    )


def _measure(work: Path, name: str, batch: int) -> dict[str, Any]:
    """One row: costs of building and of both batches, and whether every answer was right."""
    state = work / "state"
    for path in sorted(state.rglob("*"), reverse=True):
        path.unlink()
    state.mkdir(exist_ok=True)
    row: dict[str, Any] = {"layout": name}
    for step in ("build", "batch"):
        said = child("benchmarks.dedupe_layouts", "--child", work, name, step, seconds=SECONDS)
        for number, one in enumerate(said):
            row[step if step == "build" else f"batch {number + 1}"] = one
        if any("failed" in one for one in said):
            return row
        if step == "build":
            row["size_mb"] = size_mb(state)
    expected = batch - batch // 100 - batch // 1000
    # A batch that is taken in whole hides nothing: all ids that were seen must be found.
    row["is_exact"] = all(row[f"batch {n + 1}"]["new"] == expected for n in range(BATCHES))
    row["counted_twice"] = row["batch 1"]["new"] - expected
    return row


def _work(work: Path, name: str, step: str) -> None:
    """The child: one step of one layout."""
    stored = sorted((work / "stored").rglob("*.parquet"))
    loaded = [sorted((work / f"loaded-{n}").rglob("*.parquet")) for n in range(BATCHES)]
    before = [stored + [path for part in loaded[:n] for path in part] for n in range(BATCHES)]
    batches = [work / f"batch-{n}.parquet" for n in range(BATCHES)]
    case = Case(work / "state", stored, batches, before)
    layout = LAYOUTS[name]
    if step == "build":
        figures, _ = measured(lambda: layout.build(case))
        say(**figures)
        return
    judge = layout.open(case)
    for number in range(BATCHES):
        figures, new = measured(lambda number=number: judge(number))
        say(**figures, new=new)


def _print(row: dict[str, Any]) -> None:
    sys.stdout.write(f"{row['layout']:40}")
    for step in ("build", "batch 1", "batch 2"):
        one = row.get(step, {})
        if "failed" in one:
            sys.stdout.write(f" {step}: {one['failed']}")
        elif one:
            figures = (one[key] for key in ("seconds", "cpu_seconds", "peak_mb", "own_mb"))
            sys.stdout.write(" | {:7.2f} s {:7.2f} cpu {:6} MB {:6} own".format(*figures))
    if "is_exact" in row:
        sys.stdout.write(f" | {row['size_mb']} MB on disk, counted twice: {row['counted_twice']}")
    sys.stdout.write("\n")
    sys.stdout.flush()


def _number(text: str) -> int:
    return int(text.replace("_", ""))


if __name__ == "__main__":
    main()
