"""The billing loop on a home with a year of history: a new month, nothing changed, one late event.

`python -m benchmarks.loop --contracts 10_000`. A row for each stage of each run and one for all of
it: seconds, CPU and peak memory. Read CPU before wall, and memory as that of the whole process.
"""

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.billed_home import NEXT, billed_home, land_late
from benchmarks.run import timed
from meterhouse.lake import Lake
from meterhouse.run.bill import bill
from meterhouse.run.dbt import parsed

CONTRACTS = 10_000


@dataclass
class Stages:
    """Wall and CPU seconds of the stages that a run tells of, in order."""

    run: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    begun: tuple[float, float] = (0.0, 0.0)

    def __call__(self, stage: str) -> None:
        """The stage before is over, and this one begins."""
        self.end()
        self.rows.append({"step": f"{self.run}: {stage.lower()}"})

    def end(self) -> None:
        """The last stage is over."""
        now = (time.perf_counter(), time.process_time())
        if self.rows:
            spent = (round(end - start, 3) for end, start in zip(now, self.begun, strict=True))
            self.rows[-1] |= dict(zip(("seconds", "cpu_seconds"), spent, strict=True))
        self.begun = now


def main() -> None:
    """Print a row for each stage and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--contracts", type=lambda text: int(text.replace("_", "")),
                        default=CONTRACTS)  # fmt: skip
    contracts = parser.parse_args().contracts
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(billed_home(Path(folder) / "home", contracts), contracts)
    sys.stdout.write(f"{contracts:,} contracts with twelve months of billed history\n")
    for row in rows:
        peak = row.get("peak_mb", "")
        sys.stdout.write(
            f"{row['step']:44} {row['seconds']:8.2f} s {row['cpu_seconds']:8.2f} cpu {peak:>8}\n"
        )


def measure(lake: Lake, contracts: int) -> list[dict[str, Any]]:
    """The stages and the whole of three runs: a new month, nothing changed, one late event."""
    # Warm: imports (Great Expectations alone takes 6 s) and the parsed dbt project.
    importlib.import_module("great_expectations")
    parsed(lake.settings)
    rows = _run("new month", contracts, lake)
    rows += _run("nothing changed", 1, lake)
    rows += _run("nothing changed, every step", 1, lake, touch=True)
    land_late(lake)
    return rows + _run("one late event", 1, lake)


def _run(name: str, events: int, lake: Lake, *, touch: bool = False) -> list[dict[str, Any]]:
    stages = Stages(name)
    if touch:
        _forget_finish(lake)
    work: Callable[[], object] = lambda: bill(lake, NEXT, tell=stages)  # noqa: E731
    whole = timed(name, events, work)
    stages.end()
    return [*stages.rows, whole]


def _forget_finish(lake: Lake) -> None:
    """Have the next run go all its steps, on what is kept, though nothing has changed."""
    from meterhouse.run.finished import forget_finish
    from meterhouse.warehouse import Warehouse

    with Warehouse(lake).connect(lake.head()) as db:
        forget_finish(db)


if __name__ == "__main__":
    main()
