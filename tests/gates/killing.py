"""Kill a child at its work, run it again plainly, and compare with a run that nothing disturbed."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from meterhouse.lake import Lake
from meterhouse.settings import Settings
from tests.gates.azure import NUMBER, REPOSITORY, new_home
from tests.gates.facts import (
    counts_of,
    documents_of,
    doubled_of,
    faults_of,
    files_on_disk,
    inputs_of,
    registered_files,
    unbalanced_of,
)

NOW = "2024-01-15T12:00:00+00:00"

# The last table that a commit of a first run writes to, but for an issue, where it is the first.
# The commit that adds property columns comes before all others and writes no rows.
ENDS = ("book_versions", "batches", "check_results", "manifests", "documents")
COMMITS = ("properties", *ENDS)
# Passed once by every commit; the others once by every file.
BY_COMMIT = ("commit.begin", "commit.counter", "commit.cursor", "commit.before", "commit.after")
BY_FILE = ("commit.write", "commit.fsync", "commit.hash", "commit.rename", "commit.register")
FILES_OF_AN_ISSUE = 8
LAST_PLACE = "commit.after"


@dataclass
class Child:
    """A process at work, made by `parent`; `seconds` from its start to its end."""

    parent: subprocess.Popen[str]
    pid: int
    complaints: Path
    began: float = field(default_factory=time.monotonic)

    def kill_after(self, seconds: float) -> int:
        """SIGKILL by pid at a moment counted from its start; its return code."""
        if not self._has_ended(max(0.0, seconds - (time.monotonic() - self.began))):
            os.kill(self.pid, signal.SIGKILL)
        return self.end()[0]

    def _has_ended(self, within: float) -> bool:
        """Whether it ends within so many seconds from now."""
        return bool(select.select([self.parent.stdout], [], [], within)[0])

    def end(self) -> tuple[int, str, float]:
        """Wait for it: return code, all it wrote to stderr, seconds since its start."""
        if not self._has_ended(600):
            os.kill(self.pid, signal.SIGKILL)
            raise TimeoutError(f"Killed after 600 s: {self.complaints.read_text()}")
        code = int(self.parent.stdout.readline())
        return code, self.complaints.read_text(), time.monotonic() - self.began


@contextmanager
def parent(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The process that makes children; it ends when its input is closed."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", *quiet(), "-m", "tests.gates.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Libraries of numbers start a thread per core when they are imported.
        env=environment_of() | {"OPENBLAS_NUM_THREADS": "1"},
        cwd=folder,
    ) as found:
        assert found.stdout.readline() == "ready\n", "What makes the children did not start."
        yield found


def environment_of() -> dict[str, str]:
    """What a child finds in its environment, whoever runs the tests."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("METERHOUSE_")}
    environment |= {"METERHOUSE_NOW": NOW, "METERHOUSE_ACTOR": "gate"}
    return environment | {"PYTHONPATH": str(REPOSITORY)}


def started(
    parent: subprocess.Popen[str], home: Path, file: Path, failpoint: str | None = None
) -> Child:
    """A child at work on a home."""
    environment = environment_of()
    if failpoint is not None:
        environment["METERHOUSE_FAILPOINT"] = failpoint
    complaints = home.with_name(f"{home.name}.stderr")
    complaints.write_text("")
    order = {"home": home, "file": file, "environment": environment, "complaints": complaints}
    parent.stdin.write(json.dumps(order, default=str) + "\n")
    parent.stdin.flush()
    return Child(parent, int(parent.stdout.readline()), complaints)


def quiet() -> list[str]:
    """Nothing of ours warns; what dbt's own imports warn about is not our work."""
    return ["-W", "ignore::DeprecationWarning"]


@dataclass(frozen=True)
class Undisturbed:
    """What one run leaves behind that nobody killed."""

    parent: subprocess.Popen[str]
    folder: Path
    file: Path
    lake: Lake
    seconds: float
    documents: list[tuple[str, str]]
    inputs: dict[str, list[str]]
    counts: dict[str, int]
    names: list[str]
    order: tuple[str, ...]
    usage_files: int

    @classmethod
    def run(cls, parent: subprocess.Popen[str], folder: Path, file: Path) -> "Undisturbed":
        home = new_home(folder / "undisturbed")
        code, complained, seconds = started(parent, home, file).end()
        assert code == 0, complained
        lake = Lake(Settings.load(home))
        return cls(
            parent,
            folder,
            file,
            lake,
            seconds,
            documents_of(lake),
            inputs_of(lake),
            counts_of(lake),
            names_of(lake),
            commits_of(home),
            len(registered_files(lake, "usage_events")),
        )

    def start(self, home: Path, failpoint: str | None = None) -> Child:
        """A child at work on a home, as the undisturbed one was."""
        return started(self.parent, home, self.file, failpoint)

    def passes(self, place: str, commit: str, nth: int = 1) -> int:
        """At which pass of `place` a first run stands in `commit`, at its `nth` file."""
        before = self.order[: self.order.index(commit)]
        if place not in BY_FILE:
            return len(before) + 1
        files = {"properties": 0, "batches": self.usage_files + 1, "documents": FILES_OF_AN_ISSUE}
        return sum(files.get(one, 1) for one in before) + nth

    def standing(self, commit: str | None, *, is_done: bool = False) -> tuple[str, ...]:
        """The commits before `commit`, with it if it is done; all of them for None."""
        if commit is None:
            return self.order
        return self.order[: self.order.index(commit) + is_done]


def names_of(lake: Lake) -> list[str]:
    """Names of all files but those that each run writes about itself, hashes and all."""
    data = lake.settings.data
    own = {*registered_files(lake, "check_results"), *registered_files(lake, "manifests")}
    return [f.relative_to(data).as_posix() for f in registered_files(lake) if f not in own]


def commits_of(home: Path) -> tuple[str, ...]:
    """The commits of a first run that have happened in a home, in their order."""
    lake = Lake(Settings.load(home))
    if not lake.settings.catalog.is_file():
        return ()
    with lake.reading() as db:
        columns = lake.columns(db, "usage_events")
        tables = db.execute("select table_name from lake.facts.files order by rowid").fetchall()
    first = ("properties",) if "p_context_tokens" in columns else ()
    return (*first, *(table for (table,) in tables if table in ENDS))


def assert_repaired(home: Path, expected: Undisturbed) -> None:
    """A plain re-run gives what the undisturbed one gave: the same document, nothing twice."""
    code, complained, _ = expected.start(home).end()
    assert code == 0, complained
    lake = Lake(Settings.load(home))
    assert documents_of(lake) == expected.documents
    assert [number for number, _ in documents_of(lake)] == [NUMBER]
    assert inputs_of(lake) == expected.inputs
    assert doubled_of(lake) == {}
    assert unbalanced_of(lake) == []
    assert names_of(lake) == expected.names
    lake.sweep(0)
    assert files_on_disk(lake) == registered_files(lake)
    assert faults_of(lake) == []
