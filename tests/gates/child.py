"""Make, load and run a home in a process of its own, which tests kill: child.py HOME FILE.

Says "ready" when everything is imported, so that a kill falls into the work, and "done" at the end.
"""

import sys
from pathlib import Path

import great_expectations
from dbt.cli.main import dbtRunner

from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.bill import bill
from meterhouse.run.ingest import ingest, land
from meterhouse.settings import Settings
from tests.gates.azure import SOURCE, THROUGH


def work(home: Path, file: Path) -> None:
    lake = Lake(Settings.load(home))
    lake.create()
    apply_book(lake)
    land(lake, SOURCE, [file])
    ingest(lake)
    bill(lake, THROUGH)


if __name__ == "__main__":
    assert dbtRunner  # Imported early, for the time it takes.
    assert great_expectations
    print("ready", flush=True)
    work(Path(sys.argv[1]), Path(sys.argv[2]))
    print("done", flush=True)
