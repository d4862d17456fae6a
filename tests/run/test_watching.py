"""Late sources, usage that fell to nothing and usage that leapt are told, and nothing else is."""

import shutil
from datetime import date, timedelta

import duckdb
import pytest
from ruamel.yaml import YAML

from meterhouse.errors import UsageError
from meterhouse.run.checks import run_checks
from meterhouse.run.steps import resume
from meterhouse.run.watching import WATCHES
from meterhouse.settings import Settings
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, Home

pytestmark = [pytest.mark.slow]
THROUGH = date(2025, 12, 1)
FIRST = date(2025, 9, 15)
WATCHED = {one.name for one in WATCHES}
DROP, SPIKE = "usage_does_not_drop_to_zero", "usage_does_not_spike"
LATE, NAMES = "sources_are_on_time", "watch_names_what_there_is"
TUNE = "Thresholds, and how to silence this: section watch of meterhouse.yaml."
FELL = (
    "Check usage_does_not_drop_to_zero failed for customer twin: it should hold that a meter that "
    "the customer used regularly is still used, but 0 was expected and 2 found (meter requests: "
    "used on 28 of the 28 days up to 2025-11-15, 1 a day in the median, then nothing for 15 days; "
    "meter tokens: used on 28 of the 28 days up to 2025-11-15, 2500 a day in the median, then "
    f"nothing for 15 days). Ask whoever sends the events whether they are missing. {TUNE}"
)
LEAPT = (
    "Check usage_does_not_spike failed for customer sato: it should hold that no day of a meter is "
    "far above the customer's days before it, but 0 was expected and 1 found (meter tokens: 123456 "
    "on 2025-11-20, 24.6 times the median of 5000 on 28 used days of the 28 before). Look at the "
    f"day's events before it is billed: `meterhouse events list`. {TUNE}"
)


def days(first, last):
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def usage():
    """Steady alpha, leaping sato, weekdays of berlin, twin that falls silent, new strict."""
    november = date(2025, 11, 30)
    plan = {
        "alpha": [(day, 300) for day in days(FIRST, november)],
        "sato": [(d, 123_456 if d.day == 20 and d.month == 11 else 5000)
                 for d in days(FIRST, november)],
        "berlin": [(day, 2000) for day in days(FIRST, november) if day.weekday() < 5],
        "twin": [(day, 2500) for day in days(FIRST, date(2025, 11, 15))],
        # Twelve days are regular use and a leap, but the customer is new.
        "strict": [(d, 9_000_000 if d.day == 14 else 1000)
                   for d in days(date(2025, 11, 5), date(2025, 11, 16))],
    }  # fmt: skip
    return [
        request(f"{subject}-{day}", subject, f"{day}T12:00:00Z", tokens)
        for subject, pairs in plan.items()
        for day, tokens in pairs
    ]


@pytest.fixture(scope="module")
def once(book_home, tmp_path_factory):
    """The usage billed through 1 December; copied, never changed."""
    home = book_home.copy(tmp_path_factory.mktemp("watching") / "home")
    home.land(usage())
    return home, home.issue(THROUGH)


@pytest.fixture
def used(once, tmp_path):
    """What was billed, to be run again with other settings or through another day."""
    return once[0].copy(tmp_path / "home")


def watching(home, **section):
    """The home with a section `watch` in its settings."""
    path = home.path / "meterhouse.yaml"
    yaml = YAML(typ="safe")
    settings = yaml.load(path)
    with path.open("w") as file:
        yaml.dump({**settings, "watch": section}, file)
    return Home(home.path, home.book, home.files)


def checked(home):
    """The results of the checks alone, repeated on what the last run left."""
    run = resume(home.lake)
    with run.warehouse.connect(run.pin, run.known_at) as db:
        return run_checks(run, db).to_dicts()


def told(results):
    """Sentences of the failed watches by check and scope."""
    return {
        (one["check_name"], one["scope_id"]): one["sentence"]
        for one in results
        if one["check_name"] in WATCHED and not one["passed"]
    }


def test_what_fell_silent_and_what_leapt_is_told_with_its_numbers_and_nothing_else(once):
    _, done = once
    assert told(done.checks) == {(DROP, "twin"): FELL, (SPIKE, "sato"): LEAPT}


def test_a_warning_holds_back_no_document(once):
    _, done = once
    assert (done.failed, done.held) == (set(), {})
    assert {"sato-main", "twin-tokens"} <= done.billed


def test_the_checks_repeated_say_the_same_and_store_nothing(used):
    assert told(checked(used)) == {(DROP, "twin"): FELL, (SPIKE, "sato"): LEAPT}
    stored = used.rows("select count(*) from facts.check_results")
    assert told(checked(used)) == {(DROP, "twin"): FELL, (SPIKE, "sato"): LEAPT}
    assert used.rows("select count(*) from facts.check_results") == stored


@pytest.mark.soak
def test_a_warehouse_made_anew_says_the_same(used):
    shutil.rmtree(used.path / "warehouse")
    assert told(used.issue(THROUGH).checks) == {(DROP, "twin"): FELL, (SPIKE, "sato"): LEAPT}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"new_customer_days": 5},
         {(DROP, "strict"), (DROP, "twin"), (SPIKE, "sato"), (SPIKE, "strict")}),
        ({"drop": {"quiet_days": 16}}, {(SPIKE, "sato")}),
        ({"drop": {"told_days": 14}, "spike": {"told_days": 10}}, set()),
        ({"spike": {"factor": 25}}, {(DROP, "twin")}),
        ({"spike": {"factor": 24.5}}, {(DROP, "twin"), (SPIKE, "sato")}),
        ({"spike": {"above": "123456"}}, {(DROP, "twin")}),
        ({"meters": {"tokens": {"spike": {"above": 200_000}}}}, {(DROP, "twin")}),
        ({"meters": {"storage": {"spike": {"above": 200_000}}}}, {(DROP, "twin"), (SPIKE, "sato")}),
        ({"ignore": {"customers": ["twin"]}}, {(SPIKE, "sato")}),
        ({"ignore": {"meters": ["tokens"]}}, {(DROP, "twin")}),
        ({"ignore": {"meters": ["tokens", "requests"]}}, set()),
    ],
)  # fmt: skip
def test_thresholds_and_silences_are_those_of_the_settings(used, section, expected):
    assert set(told(checked(watching(used, **section)))) == expected


def test_weekends_are_no_silence_even_where_two_days_are_enough(used):
    """1 December is a Monday: two silent days, and the longest silence before was as long."""
    found = told(checked(watching(used, drop={"quiet_days": 2})))
    assert set(found) == {(DROP, "twin"), (SPIKE, "sato")}


def test_a_source_that_stops_is_told_once_and_not_once_for_each_customer(used):
    found = told(used.issue(date(2025, 12, 9)).checks)
    assert set(found) == {(LATE, "api"), (DROP, "twin"), (SPIKE, "sato")}
    assert (
        "it should hold that a source is silent for no longer than is usual, but 0 days late was "
        "expected and 6 days late found (late on 2025-12-09: last events of 2025-11-30, 9 days "
        "before, where no more than 3 are usual for it). Look at what sends"
    ) in found[LATE, "api"]
    assert found[DROP, "twin"] == FELL


@pytest.mark.soak
def test_a_gap_that_is_set_replaces_the_learnt_one(used):
    section = {"sources": {"api": {"expected_every_days": 9}}}
    assert (LATE, "api") not in told(watching(used, **section).issue(date(2025, 12, 9)).checks)
    done = watching(used, **section).issue(date(2025, 12, 10))
    assert "1 days late found (late on 2025-12-10" in told(done.checks)[LATE, "api"]
    assert "where 9 are set" in told(done.checks)[LATE, "api"]


def test_a_source_that_should_deliver_and_never_did_is_told_unless_it_is_ignored(used):
    section = {"sources": {"rows": {"expected_every_days": 1}}}
    found = told(checked(watching(used, **section)))
    assert "never brought any" in found[LATE, "rows"]
    section["ignore"] = {"sources": ["rows"]}
    assert (LATE, "rows") not in told(checked(watching(used, **section)))


def test_names_that_nobody_knows_are_told_and_silence_nothing(used):
    section = {"ignore": {"customers": ["twinn"], "meters": ["tokenz"], "sources": ["ap"]}}
    found = told(checked(watching(used, **section)))
    assert set(found) == {(NAMES, "run"), (DROP, "twin"), (SPIKE, "sato")}
    assert "(customer 'twinn', meter 'tokenz', source 'ap')" in found[NAMES, "run"]


@GREAT_EXPECTATIONS
@pytest.mark.soak
def test_the_marts_say_what_the_checks_say_also_after_the_thresholds_alone_changed(used):
    query = (
        "select customer_id, meter_id, kind, status, factor::varchar "
        "from reporting.usage_anomalies order by all"
    )

    def published(home):
        with duckdb.connect(
            str(home.path / "published" / "warehouse.duckdb"), read_only=True
        ) as db:
            lateness = db.execute(
                "select source, status, last_event_day from reporting.source_lateness order by 1"
            ).fetchall()
            return db.execute(query).fetchall(), lateness

    assert len(used.bill(THROUGH).warnings) == 2
    anomalies, lateness = published(used)
    twin = [("twin", meter, "drop_to_zero", "open", "0.0") for meter in ("requests", "tokens")]
    new = [("strict", *row[1:3], "new_customer", "0.0") for row in twin]
    new.append(("strict", "tokens", "spike", "new_customer", "9000.0"))
    assert anomalies == [("sato", "tokens", "spike", "open", "24.6"), *new, *twin]
    assert lateness == [
        ("api", "on_time", date(2025, 11, 30)),
        ("restated", "no_events", None),
        ("rows", "no_events", None),
    ]
    muted = watching(used, ignore={"customers": ["twin"]}, spike={"factor": 25})
    assert muted.bill(THROUGH).warnings == []
    twin = [(*row[:3], "ignored", row[4]) for row in twin]
    assert published(muted)[0] == [*new, *twin]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("watch: {drops: {}}", "watch.drops: unknown key; did you mean 'drop'?"),
        ("watch: {drop: {used_days: 30}}", "`used_days` cannot be more than `of_days`"),
        ("watch: {drop: {told_days: 5}}", "`quiet_days` cannot be more than `told_days`"),
        ("watch: {meters: {m: {spike: {used_days: 40}}}}", "cannot be more than `of_days`"),
        ("watch: {drop: {of_days: 9, used_days: 5}, meters: {m: {drop: {used_days: 10}}}}",
         "meter m: Value error, `used_days` cannot be more than `of_days`"),
        ("watch: {spike: {factor: 0}}", "greater than or equal to 1"),
        ("watch: {sources: {api: {expected_every_days: 0}}}", "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_thresholds_that_nothing_can_meet_are_refused_at_the_start(tmp_path, text, fault):
    (tmp_path / "meterhouse.yaml").write_text(text)
    with pytest.raises(UsageError, match="has faults") as caught:
        Settings.load(tmp_path)
    assert fault in str(caught.value)
