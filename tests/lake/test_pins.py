import shutil

import pytest

from meterhouse.duck import connect
from meterhouse.lake_views import views
from tests.lake.writing import add_events, lake_of, note


def seen(db):
    return [m for (m,) in db.execute("select message_id from facts.outbox order by 1").fetchall()]


def test_a_reader_at_a_pin_does_not_see_later_commits(lake):
    note(lake, "a")
    pin = lake.head()
    with connect(lake.settings) as db:
        lake.attach_pinned(db, pin)
        views(db, None)
        assert seen(db) == ["a"]
        note(lake, "b")
        assert seen(db) == ["a"]
    with connect(lake.settings) as db:
        lake.attach_pinned(db, pin)
        views(db, None)
        assert seen(db) == ["a"]
    with lake.reading() as db:
        assert seen(db) == ["a", "b"]


def test_the_files_of_a_pin_are_those_of_its_commits(lake):
    note(lake, "a")
    pin = lake.head()
    note(lake, "b")
    with connect(lake.settings) as db:
        lake.attach_pinned(db, pin)
        assert db.execute("select count(*) from lake.facts.files").fetchone() == (1,)


@pytest.mark.parametrize("known_at", [0, 1, 2])
def test_what_was_known_at_a_batch_ends_there(lake, known_at):
    for name in "ab":
        note(lake, name)
    with lake.reading(known_at) as db:
        assert seen(db) == list("ab")[:known_at]


def test_a_copied_home_reads_and_writes_its_own_files(lake, tmp_path):
    add_events(lake, 0, 10)
    copy = lake_of(tmp_path / "copy")
    shutil.copytree(lake.settings.home, copy.settings.home)
    shutil.rmtree(lake.settings.home)
    assert note(copy, "a") == 2
    with copy.reading() as db:
        assert db.execute("select count(*) from facts.usage_events").fetchone() == (10,)
        assert copy.verify(db, ["usage_events", "outbox"]) == []


def test_two_copies_of_a_home_go_their_own_ways(lake, tmp_path):
    note(lake, "a")
    copy = lake_of(tmp_path / "copy")
    shutil.copytree(lake.settings.home, copy.settings.home)
    note(copy, "b")
    note(lake, "c")
    for one, expected in ((lake, ["a", "c"]), (copy, ["a", "b"])):
        with one.reading() as db:
            assert seen(db) == expected
