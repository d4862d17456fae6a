"""The deduplication index beside a real lake: restored backups, kills, two processes, damage."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.truth.events import request

REPOSITORY = Path(__file__).parents[2]
CHILD = """
import sys
from pathlib import Path
from meterhouse.lake import Lake
from meterhouse.run.ingest import ingest
from meterhouse.settings import Settings
print("ready", flush=True)
sys.stdin.readline()
for one in ingest(Lake(Settings.load(Path(sys.argv[1])))):
    print(one.accepted, one.duplicate, flush=True)
"""


def requests(first, upto):
    """Requests named r<first> to r<upto - 1>, always with the same content."""
    return [
        request(f"r{n}", "alpha", f"2025-10-{5 + n % 3:02d}T12:00:{n % 60:02d}Z", 100 + n)
        for n in range(first, upto)
    ]


def loaded(home, events):
    """Accepted and duplicate records of one batch."""
    [one] = home.load(events)
    return one.accepted, one.duplicate


def restore(backup, home):
    """Put the lake of a backup in place, as a copy of files does; the index stays, and what was
    landed is gone."""
    shutil.rmtree(home.path / "landing")
    for name in ("catalog", "data"):
        source, target = getattr(backup.lake.settings, name), getattr(home.lake.settings, name)
        if source.is_dir():
            shutil.rmtree(target)
            shutil.copytree(source, target)
        else:
            for part in target.parent.glob(f"{target.name}*"):  # with what its WAL holds
                part.unlink()
            for part in source.parent.glob(f"{source.name}*"):
                shutil.copy(part, target.with_name(part.name))


def live_ids(home):
    with home.lake.reading() as db:
        rows = db.execute("select event_id from facts.usage_events").fetchall()
    return sorted(row[0] for row in rows)


def start(home, failpoint=None):
    """A process that has said ready and waits to be told to load."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "METERHOUSE_LOCK_WAIT": "300"}
    if failpoint is not None:
        environment["METERHOUSE_FAILPOINT"] = failpoint
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(home.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=home.path,
    )
    assert child.stdout.readline() == "ready\n"
    return child


def finish(child):
    said, _ = child.communicate(timeout=300)
    return child.returncode, [tuple(map(int, line.split())) for line in said.splitlines()]


def test_an_older_backup_that_other_loads_brought_further_does_not_count_them_again(home, tmp_path):
    assert loaded(home, requests(0, 10)) == (10, 0)
    elsewhere = home.copy(tmp_path / "elsewhere")
    # Here one batch more, there three with other events: the same numbers hold other rows.
    assert loaded(home, requests(10, 20)) == (10, 0)
    for first in (20, 30, 40):
        assert loaded(elsewhere, requests(first, first + 10)) == (10, 0)
    restore(elsewhere, home)
    assert loaded(home, requests(15, 55)) == (10, 30)
    assert live_ids(home) == sorted(event.id for event in [*requests(0, 10), *requests(15, 55)])


def test_an_older_backup_takes_again_what_it_lost(home, tmp_path):
    assert loaded(home, requests(0, 10)) == (10, 0)
    backup = home.copy(tmp_path / "backup")
    assert loaded(home, requests(10, 20)) == (10, 0)
    restore(backup, home)
    assert loaded(home, requests(5, 20)) == (10, 5)
    assert loaded(home, requests(0, 21)) == (1, 20)


@pytest.mark.slow
def test_a_kill_between_the_commit_and_the_index_counts_nothing_twice(home):
    loaded(home, requests(0, 10))
    home.land(requests(5, 15))
    # The property columns stand already, so that the first commit of this load is its batch.
    child = start(home, "commit.after")
    assert finish(child) == (-signal.SIGKILL, [])
    assert live_ids(home) == sorted(event.id for event in requests(0, 15))
    assert loaded(home, requests(0, 16)) == (1, 15)


@pytest.mark.slow
def test_two_processes_that_load_overlapping_files_take_each_event_once(home, tmp_path):
    loaded(home, requests(0, 10))
    for number in range(6):
        home.land(requests(5 + 5 * number, 20 + 5 * number), name=f"file-{number}")
    children = [start(home), start(home)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    ended = [finish(child) for child in children]
    assert [code for code, _ in ended] == [0, 0]
    assert sum(accepted for _, counts in ended for accepted, _ in counts) == 35
    assert live_ids(home) == sorted(event.id for event in requests(0, 45))
    assert loaded(home, requests(0, 46)) == (1, 45)


@pytest.mark.parametrize("damage", ["deleted", "emptied", "cut", "flipped"])
def test_a_damaged_index_counts_nothing_twice(home, damage):
    loaded(home, requests(0, 40))
    [run] = home.lake.settings.keys.glob("lake-*/*.keys")
    content = bytearray(run.read_bytes())
    if damage == "deleted":
        run.unlink()
    elif damage == "emptied":
        run.write_bytes(b"")
    elif damage == "cut":
        run.write_bytes(content[: len(content) // 2])
    else:
        content[1] ^= 0x10
        run.write_bytes(content)
    assert loaded(home, requests(0, 41)) == (1, 40)


def test_an_id_that_comes_again_with_another_time_is_no_new_event(home):
    loaded(home, requests(0, 10))
    moved = [event._replace(time="2025-12-24T12:00:00Z") for event in requests(0, 10)]
    [one] = home.load([*moved, *requests(10, 12)])
    assert (one.accepted, one.conflict) == (2, 10)
    assert len(live_ids(home)) == 12
