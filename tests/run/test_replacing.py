"""A day of a source is replaced by files that are the whole of it."""

from datetime import date

import pytest

from meterhouse.errors import CorrectionFault, UsageError
from meterhouse.run.amending import void
from meterhouse.run.replacing import replace_day
from tests.run.corrections import SEPTEMBER, asked, balanced, live
from tests.truth.events import request, sample

DAY = date(2025, 9, 12)
NEXT = "2025-09-13T00:00:00Z"


@pytest.fixture
def used(home):
    """Events of two sources on the day, and one of the next day."""
    home.load(
        [request(f"e{n}", "twin", SEPTEMBER, n) for n in (1, 2, 3)]
        + [request("next", "twin", NEXT, 4), request("r", "twin", SEPTEMBER, 5, "restated")]
    )
    return home


def written(home, events, name="day.ndjson"):
    """A file of these events."""
    path = home.path / name
    path.write_text("".join(event.line + "\n" for event in events))
    return path


def replaced(home, *events, **options):
    """The outcome of replacing the day."""
    file = written(home, events)
    return replace_day(home.lake, "api", DAY, [file], "their log was wrong", **options)


def test_the_day_becomes_what_the_file_says_and_no_other_day_or_source_changes(used):
    void(used.lake, asked("e3"), "r")
    done = replaced(
        used,
        request("e1", "twin", SEPTEMBER, 1),
        request("e3", "twin", SEPTEMBER, 30),
        request("new", "twin", "2025-09-12T23:59:59.999999Z", 7),
    )
    assert (done.added, done.amended, done.voided, done.unchanged) == (1, 1, 1, 1)
    assert live(used) == {"e1": 1, "e3": 30, "new": 7, "next": 4, "r": 5}
    assert balanced(used)
    kind = "select kind, name, received, accepted, duplicate from facts.batches "
    assert used.rows(kind + "order by batch_seq desc limit 1") == [
        ("replacement", "2025-09-12 day.ndjson", 4, 3, 1)
    ]
    command = "select kind, subject_id, sentence from facts.commands order by batch_seq desc"
    assert used.rows(command)[0] == ("replace_day", "api 2025-09-12", "their log was wrong")


def test_the_same_file_again_changes_nothing_also_when_it_is_loaded(used):
    events = [request("e1", "twin", SEPTEMBER, 11), request("new", "twin", SEPTEMBER, 7)]
    replaced(used, *events)
    facts = used.count_facts()
    again = replaced(used, *events)
    assert (again.batch_seq, again.changes, again.unchanged) == (None, 0, 2)
    assert used.count_facts() == facts
    (loaded,) = used.load(events)
    assert (loaded.accepted, loaded.duplicate) == (0, 2)
    assert live(used) == {"e1": 11, "new": 7, "next": 4, "r": 5}


def test_an_event_of_another_day_is_moved_into_the_day(used):
    done = replaced(used, request("next", "twin", SEPTEMBER, 4))
    assert (done.amended, done.voided) == (1, 3)
    assert live(used) == {"next": 4, "r": 5}


def test_an_event_that_was_moved_out_of_the_day_is_left_where_it_is(used):
    from meterhouse.run.amending import amend

    amend(used.lake, asked("e1", time=NEXT), "r")
    replaced(used, request("e2", "twin", SEPTEMBER, 2))
    assert live(used) == {"e1": 1, "e2": 2, "next": 4, "r": 5}


def test_rows_without_ids_are_told_apart_by_what_they_say(home):
    equal = [sample("gurung", SEPTEMBER, "1.5")] * 2
    home.load([*equal, sample("gurung", SEPTEMBER, "7")])
    file = written(home, [*equal, sample("gurung", SEPTEMBER, "8")])
    done = replace_day(home.lake, "rows", DAY, [file], "r")
    assert (done.added, done.amended, done.voided, done.unchanged) == (1, 0, 1, 2)


def test_several_files_are_one_day(used):
    files = [
        written(used, [request("e1", "twin", SEPTEMBER, 1)], "one.ndjson"),
        written(used, [request("e2", "twin", SEPTEMBER, 2)], "two.ndjson"),
        written(used, [request("e2", "twin", SEPTEMBER, 2)], "again.ndjson"),
    ]
    done = replace_day(used.lake, "api", DAY, files, "r")
    assert (done.voided, done.unchanged) == (1, 3)
    assert live(used) == {"e1": 1, "e2": 2, "next": 4, "r": 5}


def test_all_faults_of_the_files_are_told_at_once_and_nothing_is_changed(used):
    facts = used.count_facts()
    with pytest.raises(CorrectionFault) as told:
        replaced(
            used,
            request("e1", "twin", NEXT, 1),
            request("e2", "nobody", SEPTEMBER, 1),
            request("e3", "twin", SEPTEMBER, 1),
            request("e3", "twin", SEPTEMBER, 2),
        )
    text = str(told.value)
    assert "day.ndjson row 1, event e1: its time lies on 2025-09-13, not on the day that" in text
    assert "day.ndjson row 2, event e2: Subject nobody names no customer" in text
    assert "row 4, event e3: the same id has other values in day.ndjson row 3." in text
    with pytest.raises(CorrectionFault, match="hold no records"):
        replaced(used)
    with pytest.raises(UsageError, match="cannot be read as usage"):
        replace_day(used.lake, "api", DAY, [used.path / "nix.ndjson"], "r")
    assert used.count_facts() == facts


def test_a_dry_replacement_writes_nothing(used):
    facts = used.count_facts()
    done = replaced(used, request("e1", "twin", SEPTEMBER, 1), is_dry=True)
    assert (done.voided, done.unchanged, done.batch_seq) == (2, 1, None)
    assert used.count_facts() == facts
