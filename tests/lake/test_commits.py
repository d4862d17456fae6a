import errno
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from meterhouse import failpoints
from meterhouse.durable import file_sha256
from meterhouse.errors import Busy, UsageError
from meterhouse.lake import ATTEMPTS
from meterhouse.schema import FACTS
from tests.lake.writing import OUTBOX, add_events, lake_of, note

REPOSITORY = Path(__file__).parents[2]


def messages(lake, known_at=None):
    with lake.reading(known_at) as db:
        return [
            m for (m,) in db.execute("select message_id from facts.outbox order by 1").fetchall()
        ]


def files(lake):
    """Path below the data and SHA-256 of every registered file."""
    with lake.reading() as db:
        return dict(db.execute("select path, sha256 from facts.files order by path").fetchall())


def on_disk(lake):
    data = lake.settings.data
    return sorted(p.relative_to(data).as_posix() for p in data.rglob("*") if p.is_file())


def fail(commit, error):
    commit.append("outbox", OUTBOX, ["lost"])
    commit.next_number("series:a")
    raise error


def test_making_a_lake_twice_makes_it_once(lake):
    note(lake, "a")
    assert lake.create() is False
    assert messages(lake) == ["a"]


@pytest.mark.parametrize("reached", ["an empty file", "attached", "tables"])
def test_a_lake_whose_making_was_interrupted_is_made_by_the_next_call(tmp_path, reached):
    lake = lake_of(tmp_path / "home")
    lake.settings.catalog.parent.mkdir(parents=True)
    if reached == "an empty file":
        lake.settings.catalog.touch()
    elif reached == "attached":
        with lake.session():
            pass
    else:
        lake.create()
        with lake.session() as db:
            db.execute("delete from lake.control.counters")
    assert lake.create() is True
    assert lake.create() is False
    assert [add_events(lake, 0, 10), note(lake, "a")] == [1, 2]
    assert len(files(lake)) == 4


def test_a_lake_that_was_never_made_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match="meterhouse init"):
        lake_of(tmp_path / "nowhere").head()


def test_numbers_begin_at_1_and_have_no_gaps(lake):
    assert [note(lake, name) for name in "abc"] == [1, 2, 3]
    assert lake.head().batch_seq == 3


def test_a_commit_that_takes_no_number_stands_at_the_last_one(lake):
    note(lake, "a")
    assert note(lake, "b", takes_number=False) == 1
    assert lake.head().batch_seq == 1
    assert messages(lake) == ["a", "b"]


def test_an_error_inside_a_commit_leaves_no_row_and_no_number(lake):
    note(lake, "a")
    with lake.session() as db:
        with pytest.raises(KeyError):
            lake.commit(db, lambda commit: fail(commit, KeyError("x")))
        assert lake.commit(
            db, lambda commit: (commit.batch_seq, commit.next_number("series:a"))
        ) == (2, 1)
    assert messages(lake) == ["a"]
    assert list(files(lake)) == [path for path in on_disk(lake) if path in files(lake)]


def test_several_numbers_are_taken_at_once(lake):
    with lake.session() as db:
        taken = lake.commit(
            db, lambda c: [c.next_number("s", 3), c.next_number("s"), c.next_number("t")]
        )
    assert taken == [1, 4, 1]


def test_a_commit_with_no_rows_writes_no_file(lake):
    with lake.session() as db:
        rows = lake.commit(db, lambda c: c.append("outbox", f"{OUTBOX} where false", ["a"]))
    assert (rows, files(lake), on_disk(lake)) == (0, {}, [])


def test_a_file_is_named_by_its_number_and_the_hash_of_its_bytes(lake):
    note(lake, "a")
    add_events(lake, 0, 10)
    for path, digest in files(lake).items():
        full = lake.settings.data / path
        assert file_sha256(full) == digest
        number, short = re.fullmatch(r"(\d{10})-([0-9a-f]{16})\.parquet", full.name).groups()
        assert digest.startswith(short)
        assert int(number) == (1 if "outbox" in path else 2)
    assert on_disk(lake) == sorted(files(lake))


def test_each_file_of_events_holds_one_day(lake):
    add_events(lake, 0, 30, days=3)
    folders = sorted(Path(path).parent.name for path in files(lake))
    assert folders == [f"event_day=2024-01-0{day}" for day in (1, 2, 3)]
    with lake.reading() as db:
        rows = db.execute(
            "select event_day::varchar, count(*), count(distinct row_no) from facts.usage_events "
            "group by 1 order by 1"
        ).fetchall()
        numbers = db.execute(
            "select min(row_no), max(row_no), count(distinct row_no) from facts.usage_events"
        ).fetchone()
    assert rows == [(f"2024-01-0{day}", 10, 10) for day in (1, 2, 3)]
    assert numbers == (1, 30, 30)


def test_later_commits_never_touch_the_bytes_of_earlier_files(lake):
    add_events(lake, 0, 30)
    before = {path: (lake.settings.data / path).stat().st_mtime_ns for path in files(lake)}
    hashes = files(lake)
    add_events(lake, 30, 60)
    note(lake, "a")
    assert {path: (lake.settings.data / path).stat().st_mtime_ns for path in before} == before
    assert hashes.items() <= files(lake).items()


def test_the_same_commit_after_a_failed_one_writes_the_same_names(lake, tmp_path):
    other = lake_of(tmp_path / "other")
    other.create()
    with lake.session() as db, pytest.raises(KeyError):
        lake.commit(db, lambda commit: fail(commit, KeyError("x")))
    for one in (lake, other):
        add_events(one, 0, 10)
    assert files(lake) == files(other)


@pytest.mark.parametrize(
    "place", ["commit.write", "commit.rename", "commit.register", "commit.before"]
)
@pytest.mark.parametrize(("mode", "kind"), [("enospc", OSError), ("raise", RuntimeError)])
def test_a_full_disk_or_a_fault_changes_nothing_and_the_next_commit_works(
    lake, monkeypatch, place, mode, kind
):
    note(lake, "a")
    before = files(lake), lake.head()
    monkeypatch.setattr(failpoints, "_passes", Counter())  # It counts for a whole process.
    monkeypatch.setenv("METERHOUSE_FAILPOINT", f"{place}:1:{mode}")
    with pytest.raises(kind) as caught:
        note(lake, "b")
    assert mode == "raise" or caught.value.errno == errno.ENOSPC
    assert (files(lake), lake.head()) == before
    assert messages(lake) == ["a"]
    assert note(lake, "b") == 2
    assert messages(lake) == ["a", "b"]


def test_a_failpoint_that_is_not_listed_is_a_fault(monkeypatch):
    monkeypatch.setenv("METERHOUSE_FAILPOINT", "commit.unheard")
    with pytest.raises(RuntimeError, match="not listed"):
        failpoints.failpoint("commit.unheard")
    failpoints.failpoint("commit.other")


def test_the_loser_of_a_conflict_takes_new_numbers(lake):
    tries = []

    def write(commit):
        tries.append(commit.batch_seq)
        commit.append("outbox", OUTBOX, ["loser"])
        if len(tries) == 1:  # Someone who knows nothing of our lock.
            with lake_of(lake.settings.home).session() as db:
                db.execute(
                    "update lake.control.counters set value = value + 1 where name = 'batch_seq'"
                )
        return commit.batch_seq

    with lake.session() as db:
        assert lake.commit(db, write) == 2
    assert tries == [1, 2]
    assert messages(lake) == ["loser"]
    with lake.reading() as db:
        assert db.execute("select batch_seq from facts.outbox").fetchall() == [(2,)]


def test_a_commit_that_always_loses_gives_up_with_a_sentence(lake):
    tries = []

    def write(commit):
        tries.append(commit.batch_seq)
        with lake_of(lake.settings.home).session() as db:
            db.execute(
                "update lake.control.counters set value = value + 1 where name = 'batch_seq'"
            )

    with lake.session() as db, pytest.raises(Busy, match="catalog lock is held by other writers"):
        lake.commit(db, write)
    assert len(tries) == ATTEMPTS


@pytest.mark.slow
def test_eight_processes_with_8_commits_each_take_64_numbers_without_a_gap(lake):
    assert race(lake, 8) == list(range(1, 65))


@pytest.mark.soak
def test_eight_processes_race_for_2000_numbers_and_none_is_missing_or_doubled(lake):
    assert race(lake, 250) == list(range(1, 2001))


def race(lake, turns):
    """Eight processes commit `turns` times each, all for the next number; the numbers taken."""
    command = [sys.executable, "-m", "tests.lake.writing", str(lake.settings.home)]
    children = [
        subprocess.Popen(
            [*command, f"p{n}", str(turns)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "METERHOUSE_LOCK_WAIT": "1800"},
        )
        for n in range(8)
    ]
    said = [child.communicate(timeout=3000)[0].split() for child in children]
    assert [child.returncode for child in children] == [0] * 8
    numbers = [int(number) for one in said for number in one]
    assert all(one == sorted(one, key=int) for one in said)
    assert messages(lake) == sorted(f"p{n}-{turn}" for n in range(8) for turn in range(turns))
    with lake.reading() as db:
        rows = db.execute("select batch_seq from facts.outbox order by 1").fetchall()
        assert lake.verify(db, ["outbox"]) == []
    assert [row[0] for row in rows] == sorted(numbers)
    return sorted(numbers)


@pytest.mark.slow
def test_a_process_killed_in_a_commit_leaves_the_lake_as_it_was(lake):
    note(lake, "a")
    for place in ("commit.counter", "commit.rename", "commit.before"):
        child = subprocess.run(
            [sys.executable, "-m", "tests.lake.writing", str(lake.settings.home), "p", "1"],
            cwd=REPOSITORY,
            env={**os.environ, "METERHOUSE_FAILPOINT": place},
            check=False,
        )
        assert child.returncode == -signal.SIGKILL
        assert (messages(lake), lake.head().batch_seq) == (["a"], 1)
    assert note(lake, "b") == 2


def test_no_statement_of_ours_updates_or_deletes_a_fact():
    """Counters are the one table that changes; everything else in the lake is appended."""
    changing = re.compile(
        r"(update|delete\s+from|truncate(\s+table)?|merge\s+into|insert\s+or\s+replace\s+into|"
        r"drop\s+table(\s+if\s+exists)?|create\s+or\s+replace\s+table)\s+(lake\.|facts\.)(\S+)",
        re.IGNORECASE,
    )
    forbidden = re.compile(r"ducklake_(expire_snapshots|cleanup_old_files|delete_orphaned)", re.I)
    found = []
    for folder in ("meterhouse", "connectors", "assets", "pipelines", "dbt_project"):
        for path in (REPOSITORY / folder).rglob("*"):
            if path.suffix not in {".py", ".sql"} or "target" in path.parts:
                continue
            text = path.read_text()
            found += [f"{path.name}: {m[0]}" for m in changing.finditer(text)]
            found += [f"{path.name}: {m[0]}" for m in forbidden.finditer(text)]
    assert found == ["lake.py: update lake.control.counters"]


def test_every_table_ends_with_its_batch_its_row_and_its_hash(lake):
    note(lake, "a")
    with lake.reading() as db:
        for table in FACTS:
            assert [*lake.columns(db, table)][-3:] == ["batch_seq", "row_no", "row_hash"]
        assert db.execute("select row_no, length(row_hash) from facts.outbox").fetchone() == (1, 64)


def test_a_property_column_is_added_once_and_old_rows_have_none(lake):
    add_events(lake, 0, 3)
    for _ in range(2):
        with lake.session() as db:
            lake.commit(
                db,
                lambda c: c.add_property_column("p_tokens", "decimal(18, 0)"),
                takes_number=False,
            )
    with lake.reading() as db:
        found = db.execute("select distinct p_tokens from facts.usage_events").fetchall()
    assert found == [(None,)]


def test_a_reader_cannot_write(lake):
    with lake.reading() as db, pytest.raises(duckdb.Error):
        db.execute("update lake.control.counters set value = 0")
