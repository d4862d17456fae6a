import os
import time
from datetime import date, timedelta

import pytest

from tests.lake.writing import add_events, note


@pytest.fixture
def filled(lake):
    add_events(lake, 0, 30)
    note(lake, "a")
    return lake


def faults(lake, tables=("usage_events", "outbox"), since=0):
    with lake.reading() as db:
        return lake.verify(db, tables, since)


def paths(lake, table):
    return sorted((lake.settings.data / "facts" / table).rglob("*.parquet"))


def orphan(lake, name, hours):
    """A file that nothing registered, so many hours old."""
    path = lake.settings.data / "facts" / "outbox" / name
    path.write_bytes(b"left by a kill")
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


def test_a_whole_lake_has_no_faults(filled):
    assert faults(filled) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.999])
def test_a_flipped_bit_is_found_wherever_it_is(filled, share):
    path = paths(filled, "usage_events")[1]
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x10
    path.write_bytes(content)
    (fault,) = faults(filled)
    assert fault.path == path.relative_to(filled.settings.data).as_posix()
    assert "is damaged: its SHA-256 is" in str(fault)
    assert fault.exit_code == 6


def test_a_missing_file_is_found(filled):
    paths(filled, "outbox")[0].unlink()
    (fault,) = faults(filled)
    assert "registered but not there" in str(fault)


def test_every_fault_is_found_at_once(filled):
    for path in paths(filled, "usage_events"):
        path.write_bytes(path.read_bytes()[:-1])
    assert len(faults(filled)) == 3


def test_only_the_tables_and_batches_asked_for_are_compared(filled):
    paths(filled, "usage_events")[0].unlink()
    assert faults(filled, ["outbox"]) == []
    assert faults(filled, ["usage_events"], since=1) == []
    assert len(faults(filled, ["usage_events"])) == 1


def test_older_files_of_the_days_asked_for_are_compared_too(filled):
    path = paths(filled, "usage_events")[0]
    day = date.fromisoformat(path.parent.name.removeprefix("event_day="))
    path.unlink()
    other = day - timedelta(days=1)
    with filled.reading() as db:
        head = filled.head().batch_seq
        assert filled.verify(db, ["usage_events"], head) == []
        assert filled.verify(db, ["usage_events"], head, (other, other)) == []
        assert len(filled.verify(db, ["usage_events"], head, (other, day))) == 1


def test_a_sweep_removes_orphans_older_than_the_age_and_no_registered_file(filled):
    old, young = orphan(filled, "0000000009-old.parquet", 25), orphan(filled, ".tmp-young", 23)
    registered = [p for t in ("usage_events", "outbox") for p in paths(filled, t) if p != old]
    for path in registered:
        os.utime(path, (0, 0))
    assert filled.sweep() == [old.relative_to(filled.settings.data).as_posix()]
    assert young.exists()
    assert filled.sweep(0) == [young.relative_to(filled.settings.data).as_posix()]
    assert filled.sweep(0) == []
    assert all(path.exists() for path in registered)
    assert faults(filled) == []


def test_a_sweep_of_an_empty_lake_removes_nothing(lake):
    assert lake.sweep(0) == []
