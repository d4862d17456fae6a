"""Makes the processes that tests kill: `-m tests.gates.child`, with an order per line of its input.

Says "ready" when the slow imports are done that start no thread which a fork would lose. An order
is JSON: home, file, environment, and where complaints are written. Each is a process of its own,
forked from this one: it answers the process id, and when that process has ended its return code,
negative for a signal.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any


def work(home: Path, file: Path) -> None:
    """Make, load and run a home."""
    from meterhouse.lake import Lake
    from meterhouse.run.applying import apply_book
    from meterhouse.run.bill import bill
    from meterhouse.run.ingest import ingest, land
    from meterhouse.settings import Settings
    from tests.gates.azure import SOURCE, THROUGH

    lake = Lake(Settings.load(home))
    lake.create()
    apply_book(lake)
    land(lake, SOURCE, [file])
    ingest(lake)
    bill(lake, THROUGH)


def follow(order: dict[str, Any]) -> None:
    """Do the work of an order in this process, and end it."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.dup2(os.open(order["complaints"], os.O_WRONLY | os.O_CREAT), 2)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["home"])
        work(Path(order["home"]), Path(order["file"]))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    importlib.import_module("great_expectations")
    importlib.import_module("dbt.cli.main")
    # Threads of these start with their imports, and a forked process would be without them.
    assert not {"duckdb", "polars"} & set(sys.modules)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            follow(asked)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
