import hashlib
import os
import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhouse import dedupe, sorted_runs
from meterhouse.dedupe import EPOCH, KEY, KeyIndex
from meterhouse.duck import prepare
from meterhouse.sorted_runs import ENTRY, TAIL
from tests.lake.writing import add_events, lake_of, note

DAY = date(2024, 1, 1)


class Events:
    """A table like the lake's events and a list of its commits, in memory, so that a law may be
    tried often; the commits are made at `clock`."""

    def __init__(self, clock="2024-01-01 00:00:00.000001+00"):
        self.db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        prepare(self.db)
        self.db.execute("attach ':memory:' as lake; create schema lake.facts")
        self.db.execute(
            "create table lake.facts.usage_events "
            "(source varchar, event_id varchar, event_day date, batch_seq bigint)"
        )
        self.db.execute("attach ':memory:' as __ducklake_metadata_lake (type sqlite)")
        self.db.execute(
            "create table __ducklake_metadata_lake.ducklake_snapshot "
            "(snapshot_id bigint, snapshot_time varchar, next_file_id bigint); "
            "create table __ducklake_metadata_lake.ducklake_data_file "
            "(data_file_id bigint, path varchar)"
        )
        self.clock = clock
        self.head = 0
        self.days = {}
        self.note_commit([])

    def add(self, events):
        """Commit (event id, event day) pairs as the next batch; an empty one is a batch too."""
        self.head += 1
        rows = [("api", name, day, self.head) for name, day in events]
        if rows:
            self.db.executemany("insert into lake.facts.usage_events values (?, ?, ?, ?)", rows)
        self.note_commit(rows)
        for name, day in events:
            self.days.setdefault(name, set()).add(day)

    def note_commit(self, rows):
        """One snapshot, and the name of its one file: a lake's hold batch and hash."""
        catalog = "__ducklake_metadata_lake"
        self.db.execute(
            f"insert into {catalog}.ducklake_snapshot values (?, ?, ?)",
            [self.head, self.clock, self.head + 1],
        )
        if rows:
            name = (
                f"{self.head:010d}-{hashlib.sha256(repr(rows).encode()).hexdigest()[:16]}.parquet"
            )
            self.db.execute(
                f"insert into {catalog}.ducklake_data_file values (?, ?)", [self.head, name]
            )

    def keys(self, names, source="api"):
        rows = self.db.execute(
            f"select {KEY} as key from (select ? as source, unnest(?::varchar[]) as event_id)",
            [source, list(names)],
        ).fetchnumpy()
        return np.asarray(rows["key"], dtype=np.uint64)


@pytest.fixture
def events():
    made = Events()
    yield made
    made.db.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


def folded(events, folder, head=None):
    index = KeyIndex(folder)
    index.fold(events.db, events.head if head is None else head)
    return index


def answer(events, index, *names):
    hits, days = index.days_of(events.keys(names))
    return len(hits), days


def fill(events, folder, batches=10, size=1):
    """One run after another, as loads would make them."""
    for batch in range(batches):
        events.add([(f"e{batch}-{n}", DAY + timedelta(batch)) for n in range(size)])
        folded(events, folder)


def test_the_index_finds_exactly_the_days_of_what_it_is_asked(events, folder):
    events.add([("a", DAY), ("b", DAY + timedelta(1)), ("c", DAY + timedelta(2))])
    index = folded(events, folder)
    assert answer(events, index, "a", "c", "new") == (2, [DAY, DAY + timedelta(2)])
    assert answer(events, index, "new") == (0, [])
    assert answer(events, index) == (0, [])


def test_the_hits_are_the_keys_that_were_seen(events, folder):
    events.add([("a", DAY), ("b", DAY)])
    hits, _ = folded(events, folder).days_of(events.keys(["a", "new", "b"]))
    assert sorted(hits.tolist()) == sorted(events.keys(["a", "b"]).tolist())


def test_the_same_id_of_another_source_is_another_event(events, folder):
    events.add([("a", DAY)])
    hits, days = folded(events, folder).days_of(events.keys(["a"], source="other"))
    assert (len(hits), days) == (0, [])


def test_an_event_that_was_restated_is_found_on_each_of_its_days(events, folder):
    days = [DAY, DAY + timedelta(5), DAY + timedelta(9)]
    events.add([("a", days[0]), ("a", days[1])])
    events.add([("a", days[2]), ("b", DAY)])
    assert answer(events, folded(events, folder), "a") == (1, days)


def test_a_day_before_1970_is_a_day(events, folder):
    events.add([("a", EPOCH - timedelta(1))])
    assert answer(events, folded(events, folder), "a") == (1, [EPOCH - timedelta(1)])


def test_the_index_does_not_answer_before_it_has_folded(events, folder):
    fill(events, folder, 2)
    with pytest.raises(AssertionError, match="only after a fold"):
        KeyIndex(folder).days_of(events.keys(["e0-0"]))


def test_the_index_knows_nothing_of_batches_above_the_fold(events, folder):
    events.add([("a", DAY)])
    events.add([("b", DAY)])
    index = folded(events, folder, head=1)
    assert answer(events, index, "a", "b") == (1, [DAY])
    index.fold(events.db, 2)
    assert answer(events, index, "a", "b") == (2, [DAY])


def test_batches_without_events_are_folded_too(events, folder):
    for _ in range(20):
        events.add([])
        folded(events, folder)
    events.add([("a", DAY)])
    assert answer(events, folded(events, folder), "a") == (1, [DAY])
    assert len(list(folder.iterdir())) == 1


def test_merges_keep_the_runs_few(events, folder):
    most = 0
    for _ in range(128):
        fill(events, folder, 1)
        most = max(most, len(list(folder.glob("*.keys"))))
    assert most <= 8  # Each run is more than twice the next one: 128 events make 7 of them.
    assert not list(folder.glob("*.tmp"))


def test_a_deleted_index_is_made_anew(events, folder):
    fill(events, folder)
    shutil.rmtree(folder)
    assert answer(events, folded(events, folder), "e0-0", "e9-0") == (
        2,
        [DAY, DAY + timedelta(9)],
    )


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_any_one_run_may_be_deleted(events, folder, gone):
    for batch, size in enumerate((40, 12, 3)):
        events.add([(f"e{batch}-{n}", DAY + timedelta(batch)) for n in range(size)])
        folded(events, folder)
    runs = sorted(folder.glob("*.keys"))
    assert len(runs) == 3
    runs[gone].unlink()
    for batch in range(3):
        expected = (1, [DAY + timedelta(batch)])
        assert answer(events, folded(events, folder), f"e{batch}-0") == expected


DAMAGES = ["cut", "emptied", "zeros", "key", "day", "mark", "checksum", "longer"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_made_anew_and_not_believed(events, folder, damage):
    fill(events, folder, 4, size=3)
    for run in folder.glob("*.keys"):
        content = bytearray(run.read_bytes())
        if damage == "cut":
            content = content[: len(content) // 2]
        elif damage == "emptied":
            content = bytearray()
        elif damage == "zeros":
            content = bytearray(4)
        elif damage == "longer":
            content += b"x"
        else:
            places = {"key": 0, "day": -TAIL - 2, "mark": -6, "checksum": -1}
            content[places[damage]] ^= 0x01
        run.write_bytes(content)
    for batch in range(4):
        index = folded(events, folder)
        for n in range(3):
            assert answer(events, index, f"e{batch}-{n}") == (1, [DAY + timedelta(batch)])


def test_files_that_a_kill_left_in_a_merge_change_no_answer(events, folder, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    for batch in range(12):
        events.add([(f"e{batch}", DAY + timedelta(batch))])
        folded(events, folder)
        for run in folder.glob("*.keys"):
            shutil.copy(run, kept)
    for run in kept.iterdir():  # As if no merge had come to delete what it replaced.
        shutil.copy(run, folder)
    (folder / "0000000000-0000000099.tmp").write_bytes(b"half a run")
    events.add([("last", DAY)])
    index = folded(events, folder)
    for batch in range(12):
        assert answer(events, index, f"e{batch}") == (1, [DAY + timedelta(batch)])
    assert answer(events, index, "last", "new") == (1, [DAY])


def test_an_older_lake_in_its_place_makes_the_index_anew(events, folder, tmp_path):
    fill(events, folder, 10)
    older = Events()
    older.add([("other", DAY)])
    index = folded(older, folder)
    assert answer(older, index, "other", "e0-0") == (1, [DAY])
    older.db.close()


@pytest.mark.parametrize(
    "clock", ["2024-01-01 00:00:00.000001+00", "2024-01-01 00:00:00.000002+00"]
)
def test_a_lake_that_went_on_otherwise_from_a_backup_is_folded_from_where_they_part(
    events, folder, clock
):
    """Also where clocks stood still: the newest file of a commit tells them apart."""
    sizes = {0: 40, 1: 12, 2: 3}
    for batch, size in sizes.items():
        events.add([(f"e{batch}-{n}", DAY) for n in range(size)])
        folded(events, folder)
    other = Events()
    other.add([(f"e0-{n}", DAY) for n in range(40)])
    other.clock = clock
    for batch in range(5):
        other.add([(f"f{batch}-{n}", DAY + timedelta(1)) for n in range(3)])
    first = sorted(folder.glob("*.keys"))[0]
    before = first.stat()
    index = folded(other, folder)
    assert answer(other, index, "e0-0", "e1-0", "e2-0") == (1, [DAY])
    assert answer(other, index, *(f"f{batch}-2" for batch in range(5))) == (
        5,
        [DAY + timedelta(1)],
    )
    assert first.stat().st_mtime_ns == before.st_mtime_ns  # What both share was kept.
    other.db.close()


def test_files_that_no_fold_would_read_are_removed(events, folder):
    """A run after a gap, once its gap is filled, would answer for batches of another history."""
    for batch, size in enumerate((40, 12, 3)):
        events.add([(f"e{batch}-{n}", DAY + timedelta(batch)) for n in range(size)])
        folded(events, folder)
    _, middle, last = sorted(folder.glob("*.keys"))
    middle.unlink()
    (folder / "0000000000-0000000099.tmp").write_bytes(b"half a run")
    index = KeyIndex(folder)
    index.fold(events.db, 1)
    assert [path.name for path in folder.iterdir()] == ["0000000000-0000000001.keys"]
    assert not last.exists()


@pytest.fixture
def lake(tmp_path):
    made = lake_of(tmp_path / "home")
    made.create()
    return made


def test_the_index_of_a_lake_folds_what_the_lake_holds(lake):
    add_events(lake, 0, 6, days=3)
    note(lake, "a batch without events")
    with lake.session() as db:
        index = KeyIndex.of(lake, db)
        index.fold(db, lake.head().batch_seq)
        keys = db.execute(
            f"select {KEY} as key from "
            "(select 'api' as source, unnest(['e1', 'e4', 'e7']) as event_id)"
        ).fetchnumpy()["key"]
    hits, days = index.days_of(keys)
    assert (len(hits), days) == (2, [DAY + timedelta(1)])


NAMES = st.sampled_from([f"e{n}" for n in range(12)])
BATCH = st.lists(st.tuples(NAMES, st.integers(0, 4).map(lambda n: DAY + timedelta(n))), max_size=6)
# A step is a batch, and what happens to the index before the next one.
STEPS = st.lists(
    st.tuples(BATCH, st.sampled_from(["fold", "wait", "lose one run", "lose all"])), max_size=12
)


@given(steps=STEPS, asked=st.sets(NAMES))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_happens_to_its_files_the_index_answers_like_a_dictionary(
    tmp_path_factory, steps, asked
):
    events, folder = Events(), tmp_path_factory.mktemp("law") / "keys"
    for batch, what in steps:
        events.add(batch)
        if what != "wait":
            folded(events, folder)
        if what == "lose one run":
            next(folder.glob("*.keys")).unlink()
        elif what == "lose all":
            shutil.rmtree(folder)
    hits, days = folded(events, folder).days_of(events.keys(sorted(asked)))
    known = asked & events.days.keys()
    assert sorted(hits.tolist()) == sorted(events.keys(sorted(known)).tolist())
    assert days == sorted({day for name in known for day in events.days[name]})
    events.db.close()


def named(events, *names):
    """The keys and days of events, as a load holds them, out of order."""
    keys = events.keys(names)
    days = [(max(events.days[name]) - EPOCH).days for name in names]
    return keys[::-1], np.array(days[::-1], dtype=np.int32)


def test_a_batch_added_from_memory_is_found_like_one_that_was_folded(events, folder):
    fill(events, folder, 2)
    index = folded(events, folder)
    events.add([("a", DAY), ("b", DAY + timedelta(3))])
    index.add(events.db, events.head, *named(events, "a", "b"))
    for each in (index, folded(events, folder)):
        assert answer(events, each, "a", "b", "e0-0") == (3, [DAY, DAY + timedelta(3)])
    events.add([])
    index.add(events.db, events.head, np.empty(0, np.uint64), np.empty(0, np.int32))
    assert answer(events, folded(events, folder), "a") == (1, [DAY])


def test_a_batch_is_not_added_before_a_fold(events, folder):
    events.add([("a", DAY)])
    with pytest.raises(AssertionError, match="only after a fold"):
        KeyIndex(folder).add(events.db, 1, *named(events, "a"))


def test_the_next_fold_catches_up_with_a_batch_whose_add_was_killed(events, folder, monkeypatch):
    fill(events, folder, 3)
    index = folded(events, folder)
    events.add([("late", DAY)])

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            index.add(events.db, events.head, *named(events, "late"))
    assert answer(events, folded(events, folder), "late", "e2-0") == (2, [DAY, DAY + timedelta(2)])


def test_a_fold_takes_a_bounded_number_of_events_at_once(events, folder, monkeypatch):
    monkeypatch.setattr(dedupe, "MOST_FOLDED", 5)
    monkeypatch.setattr(sorted_runs, "MOST_MERGED", 0)
    sizes = (2, 2, 2, 9, 0, 1, 4, 1)
    for batch, size in enumerate(sizes):
        events.add([(f"e{batch}-{n}", DAY + timedelta(batch)) for n in range(size)])
    index = folded(events, folder)
    runs = sorted(folder.glob("*.keys"))
    # Only a batch that is larger by itself is taken whole.
    assert [(path.stat().st_size - TAIL) // ENTRY for path in runs] == [4, 2, 9, 5, 1]
    for batch, size in enumerate(sizes):
        if size:
            assert answer(events, index, f"e{batch}-{size - 1}") == (1, [DAY + timedelta(batch)])


def test_runs_above_the_bound_are_not_merged(events, folder, monkeypatch):
    monkeypatch.setattr(sorted_runs, "MOST_MERGED", 4)
    fill(events, folder, 9)
    assert [(path.stat().st_size - TAIL) // ENTRY for path in sorted(folder.glob("*.keys"))] == [
        3,
        3,
        3,
    ]
    index = folded(events, folder)
    for batch in range(9):
        assert answer(events, index, f"e{batch}-0") == (1, [DAY + timedelta(batch)])


@pytest.mark.parametrize("block", [1, 2, 3, 1000])
def test_a_search_block_by_block_finds_what_a_whole_one_does(events, folder, monkeypatch, block):
    monkeypatch.setattr(sorted_runs, "BLOCK", block)
    twice = [("twice", DAY), ("twice", DAY + timedelta(7)), ("twice", DAY + timedelta(8))]
    events.add([*twice, *((f"e{n}", DAY + timedelta(n)) for n in range(300))])
    index = folded(events, folder)
    assert answer(events, index, "new") == (0, [])  # Mapped: 300 keys are many to look for one.
    assert answer(events, index, "twice") == (1, [DAY, DAY + timedelta(7), DAY + timedelta(8)])
    asked = [*(f"e{n}" for n in range(0, 300, 50)), "twice", "new"]
    days = {DAY + timedelta(n) for n in (*range(0, 300, 50), 7, 8)}
    assert answer(events, index, *asked) == (7, sorted(days))


def test_the_checksum_of_a_run_is_compared_once_for_each_state_of_its_file(
    events, folder, monkeypatch
):
    events.add([("a", DAY)])
    folded(events, folder)
    monkeypatch.setattr(sorted_runs, "_verified", set())  # As in another process.
    read, compared = sorted_runs._is_whole, []
    monkeypatch.setattr(sorted_runs, "_is_whole", lambda *a: compared.append(a) or read(*a))
    folded(events, folder)
    folded(events, folder)
    assert len(compared) == 1
    [run] = folder.glob("*.keys")
    os.utime(run, ns=(0, 0))
    assert answer(events, folded(events, folder), "a") == (1, [DAY])
    assert len(compared) == 2


def test_an_index_of_another_version_of_duckdb_is_removed(lake):
    add_events(lake, 0, 3)
    with lake.session() as db:
        index = KeyIndex.of(lake, db)
        index.fold(db, lake.head().batch_seq)
        [own] = lake.settings.keys.iterdir()
        assert own.name.endswith(f"-duckdb-{duckdb.__version__}")
        other = own.with_name(own.name.replace(duckdb.__version__, "0.0.1"))
        shutil.copytree(own, other)
        KeyIndex.of(lake, db)
    assert list(lake.settings.keys.iterdir()) == [own]
    assert list(own.glob("*.keys"))
