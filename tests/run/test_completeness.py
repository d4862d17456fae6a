"""What a source states of a day is compared with the lake; a difference holds back its meters."""

from datetime import date
from decimal import Decimal

import duckdb
import pytest

from meterhouse.errors import SourceRejected, SourceUnavailable, UsageError
from meterhouse.run.completeness import record_statements
from meterhouse.run.completeness_check import compare
from meterhouse.warehouse import Warehouse
from tests.truth.events import request, sample
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS, Home
from tests.truth.test_holding import waive

pytestmark = [pytest.mark.slow]
CHECK = "sources_are_complete"
NOVEMBER = "2025-11-12T12:00:00Z"
EARLIER = "2025-11-05T12:00:00Z"
THROUGH = MONTHS[2]
# Drafts with a line that reads requests, and those with none.
READERS = {"alpha-main", "berlin-main", "sato-main", "strict-main", "twin-tokens"}
OTHERS = {"gurung-main", "twin-disk"}
METERS = {"tokens", "live-tokens", "requests"}
STATEMENTS = (
    "select event_day, events, property, total from facts.source_statements "
    "order by batch_seq, row_no"
)


@pytest.fixture
def stating(october, monkeypatch):
    """October, whose source `api` delivers control files with counts and sums of tokens."""
    monkeypatch.setenv("METERHOUSE_NOW", "2025-12-01T06:00:00Z")
    return with_control(october)


def with_control(home, **more):
    """The home with completeness settings for source `api`."""
    path = home.path / "meterhouse.yaml"
    plan = {"control": "control*.csv", "property": "tokens", **more}
    lines = [f"      {name}: {value!r}" for name, value in plan.items() if value is not None]
    text = path.read_text().replace(
        "  api:\n    format: ndjson\n",
        "\n".join(["  api:", "    format: ndjson", "    completeness:", *lines, ""]),
    )
    assert "completeness" in text
    path.write_text(text)
    return Home(home.path, home.book, home.files)


def held_by_lake(home, day):
    """Count and sum of tokens of one day of source api, by a query of its own."""
    return home.rows(
        "select count(*), sum((data->>'$.tokens')::bigint) from facts.usage_events "
        "where source = 'api' and cast(occurred_at as date) = ?",
        [day],
    )[0]


def control(home, name, *rows, header="day,count,sum"):
    """A control file beside the usage."""
    folder = home.path / "landing" / "api"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [header, *(",".join(map(str, row)) for row in rows), ""]
    (folder / name).write_text("\n".join(lines))


def state(home, name="control-1.csv", events=0, tokens=0, day="2025-11-12"):
    """State for a day what the lake holds, and so many events and tokens more."""
    count, total = held_by_lake(home, day)
    control(home, name, (day, count + events, total + tokens))


def test_a_day_that_holds_what_was_stated_is_billed_and_the_result_is_stored(stating):
    state(stating)
    done = stating.issue(THROUGH)
    assert done.failed == set()
    assert done.billed == READERS | OTHERS
    ((passed, sentence),) = stating.rows(
        "select passed, sentence from facts.check_results where run_id = ? and check_name = ?",
        [done.run_id, CHECK],
    )
    assert passed
    assert sentence == "Holds: the events of a day are what their source states of it."


def test_a_missing_event_holds_back_its_meters_alone_until_it_has_come(stating):
    count, total = held_by_lake(stating, "2025-11-12")
    state(stating, events=1, tokens=500)
    done = stating.issue(THROUGH)
    assert done.failed == {(CHECK, "meter", meter) for meter in METERS}
    assert set(done.held) == READERS
    assert done.billed == OTHERS
    sentence = done.held["twin-tokens"]
    assert f"{count + 1} events with {total + 500} tokens was expected" in sentence
    assert f"{count} events with {total} tokens found" in sentence
    assert "source api on 2025-11-12, the first of 1 days that differ" in sentence
    assert "ask the source to deliver the day again" in sentence

    stating.land([request("late", "alpha", NOVEMBER, 500)])
    again = stating.issue(THROUGH)
    assert again.failed == set()
    assert again.billed == READERS


def test_a_sum_that_differs_with_an_equal_count_is_found(stating):
    state(stating, tokens=-1)
    assert set(stating.issue(THROUGH).held) == READERS


@pytest.mark.soak
def test_events_too_many_are_found_as_well(stating):
    state(stating, events=-1)
    assert set(stating.issue(THROUGH).held) == READERS


def test_days_whose_differences_cancel_are_found(stating):
    days = ("2025-11-05", "2025-11-12")
    sides = [held_by_lake(stating, day) for day in days]
    control(
        stating,
        "control.csv",
        (days[0], sides[0][0] + 1, sides[0][1] + 7),
        (days[1], sides[1][0] - 1, sides[1][1] - 7),
    )
    done = stating.issue(THROUGH)
    assert set(done.held) == READERS
    assert "on 2025-11-05, the first of 2 days that differ" in done.held["sato-main"]


@pytest.mark.soak
def test_what_waits_in_quarantine_and_in_conflict_is_told(stating):
    state(stating, events=1, tokens=3)
    stating.land(
        [
            request("unknown", "nobody", NOVEMBER, 3),
            request("twice", "alpha", NOVEMBER, 1),
            request("twice", "alpha", NOVEMBER, 2),
        ]
    )
    done = stating.issue(THROUGH)
    sentence = done.held["berlin-main"]
    assert "1 events of it wait in quarantine, 1 in conflict" in sentence


@pytest.mark.soak
def test_a_statement_that_was_corrected_counts_by_the_name_of_its_file(stating):
    state(stating, "control-1.csv", events=5)
    state(stating, "control-2.csv")
    assert stating.issue(THROUGH).failed == set()


@pytest.mark.soak
def test_a_source_that_restates_its_statement_lifts_the_hold(stating):
    state(stating, events=5)
    assert set(stating.issue(THROUGH).held) == READERS
    state(stating)
    assert stating.issue(THROUGH).billed == READERS
    count, total = held_by_lake(stating, "2025-11-12")
    assert stating.rows(STATEMENTS) == [
        (date(2025, 11, 12), count + 5, "tokens", Decimal(total)),
        (date(2025, 11, 12), count, "tokens", Decimal(total)),
    ]


@pytest.mark.soak
def test_a_waiver_of_each_meter_lets_it_be_billed(stating):
    state(stating, events=1)
    assert set(stating.issue(THROUGH).held) == READERS
    for meter in METERS - {"requests"}:
        waive(stating, f"{CHECK}|meter|{meter}", "2025-12-31")
    done = stating.issue(THROUGH)
    assert set(done.held) == {"sato-main"}
    assert done.billed == READERS - {"sato-main"}


@pytest.mark.soak
def test_a_restated_event_counts_once_also_when_it_moves_to_another_day_later(home, monkeypatch):
    monkeypatch.setenv("METERHOUSE_NOW", "2025-12-01T06:00:00Z")
    path = home.path / "meterhouse.yaml"
    restated = "  restated:\n"
    plan = f"{restated}    completeness: {{control: 'control*.csv', property: tokens}}\n"
    path.write_text(path.read_text().replace(restated, plan))
    home = Home(home.path, home.book, home.files)
    folder = home.path / "landing" / "restated"
    folder.mkdir(parents=True)
    control = folder / "control.csv"
    control.write_text("day,count,sum\n2025-11-12,0,0\n2025-11-17,1,5\n")
    home.land([request("x", "alpha", "2025-11-17T12:00:00Z", 4, "restated")])
    home.land([request("x", "alpha", "2025-11-17T12:00:00Z", 5, "restated")])
    assert home.issue(THROUGH).failed == set()
    home.land([request("x", "alpha", NOVEMBER, 7, "restated")])
    assert {scope for _, _, scope in home.issue(THROUGH).failed} == METERS
    control.write_text("day,count,sum\n2025-11-12,1,7\n2025-11-17,0,0\n")
    assert home.issue(THROUGH).failed == set()


@GREAT_EXPECTATIONS
@pytest.mark.soak
def test_both_sides_are_published_and_an_idle_second_run_moves_no_pin(stating):
    count, total = held_by_lake(stating, "2025-11-12")
    state(stating, events=2, tokens=9)
    held = stating.bill(THROUGH).issued.held
    assert len(held) == len(READERS)
    head = stating.lake.head().batch_seq
    assert stating.bill(THROUGH).issued.held == held
    assert stating.lake.head().batch_seq == head
    with duckdb.connect(str(stating.lake.settings.published), read_only=True) as db:
        rows = db.execute(
            "select source, event_day, stated_events, lake_events, events_difference, "
            "lake_total, total_difference from reporting.source_completeness"
        ).fetchall()
    day = date(2025, 11, 12)
    assert rows == [("api", day, count + 2, count, -2, Decimal(total), Decimal(-9))]


@pytest.mark.soak
def test_days_that_no_new_batch_touched_are_not_counted_again(stating):
    state(stating)
    stating.issue(THROUGH)

    def stale():
        lake = stating.lake
        pin = lake.head()
        with Warehouse(lake).connect(pin) as db:
            compare(db, lake.settings.file.sources, pin.batch_seq)
            return db.execute("select event_day from stale").fetchall()

    assert stale() == []
    stating.load([request("new", "alpha", NOVEMBER, 1), request("other", "alpha", EARLIER, 1)])
    assert stale() == [(date(2025, 11, 12),)]
    assert stale() == []


@pytest.mark.soak
def test_control_files_are_no_usage(stating):
    state(stating)
    before = stating.count_facts()
    assert stating.load([]) == []
    after = stating.count_facts()
    assert (after["usage_events"], after["batches"]) == (
        before["usage_events"],
        before["batches"],
    )


def test_only_days_that_are_settled_and_not_too_old_are_asked(october, monkeypatch):
    monkeypatch.setenv("METERHOUSE_NOW", "2025-12-01T06:00:00Z")
    home = with_control(october, property=None, settled_days=2, days=10)
    days = ("2025-11-20", "2025-11-21", "2025-11-29", "2025-11-30")
    control(home, "control.csv", *((day, 0) for day in days), header="day,count")
    found = record_statements(home.lake)
    assert [(one.event_day, one.events, one.total) for one in found] == [
        (date(2025, 11, 21), 0, None),
        (date(2025, 11, 29), 0, None),
    ]


@pytest.mark.soak
def test_a_source_of_which_nothing_came_holds_back_every_meter(home, monkeypatch):
    monkeypatch.setenv("METERHOUSE_NOW", "2025-12-01T06:00:00Z")
    home = with_control(home)
    control(home, "control.csv", ("2025-11-12", 3, 30))
    home.land([sample("gurung", NOVEMBER, "5.000")])
    done = home.issue(THROUGH)
    assert {scope for _, _, scope in done.failed} == METERS | {"storage"}
    assert "gurung-main" in done.held


def test_a_faulty_control_file_fails_the_run_and_keeps_what_was_loaded(stating):
    control(stating, "control.csv", ("2025-13-01", "many", "1e3"), ("2025-11-12", 1))
    stating.land([request("new", "alpha", NOVEMBER, 1)])
    with pytest.raises(SourceRejected) as caught:
        stating.issue(THROUGH)
    sentence = str(caught.value)
    assert "file 'control.csv' is a control file that cannot be read" in sentence
    assert "line 2: day '2025-13-01' is not a date" in sentence
    assert "line 2: count 'many' is not a whole number" in sentence
    assert "line 2: sum '1e3' is not plain digits" in sentence
    assert "line 3 has 2 values, not 3" in sentence
    assert stating.rows("select count(*) from facts.usage_events where event_id = 'new'") == [(1,)]
    assert stating.rows(STATEMENTS) == []


def test_a_source_that_cannot_be_asked_fails_and_what_others_stated_is_kept(stating):
    state(stating)
    path = stating.path / "meterhouse.yaml"
    remote = """
  aaa:
    connector: http
    http: {url: 'http://127.0.0.1:1/usage', attempts: 1, timeout_seconds: 1}
    completeness: {url: 'http://127.0.0.1:1/days'}
"""
    path.write_text(path.read_text().replace("sources:\n", "sources:" + remote, 1))
    with pytest.raises(SourceUnavailable, match="'aaa'"):
        record_statements(Home(stating.path).lake)
    assert len(stating.rows(STATEMENTS)) == 1


def test_a_sum_of_what_is_no_number_is_refused(october, monkeypatch):
    monkeypatch.setenv("METERHOUSE_NOW", "2025-12-01T06:00:00Z")
    home = with_control(october, property="tokns")
    control(home, "control.csv", ("2025-11-12", 3, 30))
    with pytest.raises(UsageError, match="no number of any event type in the book; did you mean"):
        home.issue(THROUGH)


def test_a_sum_that_the_settings_ask_for_must_be_stated(stating):
    control(stating, "control.csv", ("2025-11-12", 3), header="day,count")
    with pytest.raises(SourceRejected, match="states no sum of tokens for 2025-11-12"):
        stating.issue(THROUGH)
