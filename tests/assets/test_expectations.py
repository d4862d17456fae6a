"""Each shipped expectation holds for sound data and fails for data that breaks it.

Loads and days are records that went through the real loader; only what no loader makes (a count
below zero, a load without a source) and drafts are frames made here.
"""

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.errors import UsageError
from meterhouse.run.bill import begin
from meterhouse.run.book import flatten
from meterhouse.run.expectations import check_suite, judge, run_expectations
from meterhouse.run.profiles import days, loads, meters_of
from meterhouse.run.suites import COLUMNS, SHIPPED, Suite, load_suites
from meterhouse.settings import HomeFile, Settings
from tests.truth.conftest import book_home, home  # noqa: F401
from tests.truth.events import request

pytestmark = pytest.mark.slow  # Great Expectations takes 6 s to import.
START = date(2025, 11, 3)
SOUND = {
    "loads": {
        "batch_seq": [1, 2],
        "source": ["api", "api"],
        "name": ["a.csv", "b.csv"],
        "received": [100, 100],
        "accepted": [95, 100],
        "open_percent": [5, 0],
        "duplicate_percent": [0, 95],
        "conflict_percent": [5, 0],
        "span_days": [1, 1100],
    },
    "drafts": {
        "draft_id": ["d1", "d2"],
        "customer_id": ["acme", "bolt"],
        "contract_id": ["c1", "c2"],
        "entity_id": ["ent", "ent"],
        "currency": ["EUR", "USD"],
        "invoice_date": [START, START],
        "due_date": [START, START + timedelta(days=30)],
        "line_count": [1, 3],
        "net": [Decimal("1.50"), Decimal(-(10**9))],
    },
}
# Expectation: frame, column, the second row's bad value, and the scope that is held back.
SPOILT = {
    "loads_name_their_source": ("loads", "source", None, ("run", "run")),
    "loads_count_from_zero": ("loads", "accepted", -1, ("run", "run")),
    "drafts_are_unique": ("drafts", "draft_id", "d1", ("run", "run")),
    "drafts_name_their_customer": ("drafts", "customer_id", None, ("run", "run")),
    "drafts_have_a_currency": ("drafts", "currency", "Euro", ("contract", "c2")),
    "drafts_have_lines": ("drafts", "line_count", 0, ("contract", "c2")),
    "drafts_fall_due_after_their_date": (
        *("drafts", "due_date", START - timedelta(days=1), ("contract", "c2")),
    ),
    "drafts_are_of_plausible_size": (*("drafts", "net", Decimal(10**9 + 1), ("customer", "bolt")),),
}


def requests(count, day=START, *, first=0, source="api", tokens=5):
    """Good events of one day, one in each minute from midnight."""
    return [
        request(
            f"{day}-{n}",
            "alpha",
            f"{day}T{n // 60 % 24:02d}:{n % 60:02d}:00Z",
            tokens,
            source,
            cached=False,
        )
        for n in range(first, first + count)
    ]


def with_faults(count):
    return [[*requests(20 - count), *requests(count, first=30, tokens="many")]]


def with_repeats(count, new):
    return [requests(count), [*requests(count), *requests(new, first=count)]]


def with_conflicts(count):
    return [requests(20), [*requests(count, tokens=6), *requests(20 - count, first=count)]]


def over_days(count):
    return [[*requests(1), *requests(1, START - timedelta(days=count - 1))]]


def a_week_later(before, after):
    """A day, the same weekday a week later, and one more day, so that the second is settled."""
    later = START + timedelta(days=7)
    return [[*requests(before), *requests(after, later), *requests(1, later + timedelta(days=1))]]


# Expectation: frame, the loads that trip it, and the nearest ones that do not.
LOADED = {
    "loads_have_few_faults": ("loads", with_faults(2), with_faults(1)),
    "loads_bring_something_new": ("loads", with_repeats(24, 1), with_repeats(19, 1)),
    "loads_have_few_conflicts": ("loads", with_conflicts(2), with_conflicts(1)),
    "loads_span_plausible_days": ("loads", over_days(1101), over_days(1100)),
    "days_do_not_collapse": ("days", a_week_later(100, 9), a_week_later(100, 10)),
    "days_do_not_explode": ("days", a_week_later(100, 1001), a_week_later(100, 1000)),
}


@pytest.fixture(scope="module")
def suites(tmp_path_factory):
    loaded = load_suites(Settings(tmp_path_factory.mktemp("home"), HomeFile()))
    assert all(file.is_shipped for file in loaded)
    return {file.suite.batch: file.suite for file in loaded}


def frame(batch, **changed):
    return pl.DataFrame(SOUND[batch] | changed)


def profile(home, kind):  # noqa: F811
    """The frame of a home's loads, as a run makes it, and the meters of its sources."""
    with home.lake.reading() as db:
        flatten(db)
        return {"loads": loads, "days": days}[kind](db), meters_of(db)


def failed_names(results):
    return results.filter(~pl.col("passed"))["check_name"].to_list()


@pytest.mark.parametrize("batch", SOUND)
def test_sound_data_passes(suites, batch):
    results = judge(suites[batch], frame(batch))
    assert results["passed"].all()
    assert results.height == len(suites[batch].expectations)


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_data_trips_the_expectation_in_its_scope(suites, name):
    batch, column, bad, scope = SPOILT[name]
    results = judge(suites[batch], frame(batch, **{column: [SOUND[batch][column][0], bad]}))
    failed = results.filter(~pl.col("passed"))
    assert failed.select("check_name", "scope_kind", "scope_id").rows() == [(name, *scope)]
    assert failed["sentence"][0].startswith(f"Check {name} failed for {scope[0]} {scope[1]}:")


@pytest.mark.parametrize("name", LOADED)
def test_loads_trip_the_expectation_and_their_neighbour_does_not(
    suites,
    name,
    book_home,  # noqa: F811
    tmp_path,
):
    kind, bad, good = LOADED[name]
    for number, (batches, expected) in enumerate([(bad, [name]), (good, [])]):
        one = book_home.copy(tmp_path / str(number))
        for events in batches:
            one.load(events)
        made, _ = profile(one, kind)
        assert failed_names(judge(suites[kind], made)) == expected, made


def test_every_shipped_expectation_is_tripped_above(suites):
    names = {one.name for suite in suites.values() for one in suite.expectations}
    assert names == {*SPOILT, *LOADED}


def test_a_profile_counts_days_customers_and_what_is_missing(home):  # noqa: F811
    home.load([*requests(3), *requests(2, START + timedelta(days=2), tokens=None)])
    made, _ = profile(home, "loads")
    assert set(COLUMNS["loads"]) <= set(made.columns)
    (row,) = made.to_dicts()
    assert (row["received"], row["accepted"], row["open"], row["open_percent"]) == (5, 3, 2, 40)
    assert (row["first_day"], row["last_day"], row["span_days"]) == ("2025-11-03",) * 2 + (1,)
    assert row["customers"] == 1
    assert (row["null_percent_tokens"], row["null_percent_region"]) == (0, 100)


def test_a_day_is_compared_with_the_week_before_also_when_it_is_silent(home):  # noqa: F811
    home.load([*requests(100), *requests(99, START + timedelta(days=1))])
    home.load(requests(1, START + timedelta(days=9)))
    made, _ = profile(home, "days")
    assert tuple(made.columns) == COLUMNS["days"]
    found = {row["event_day"]: row for row in made.to_dicts()}
    assert found["2025-11-10"]["change_percent"] == -100
    assert found["2025-11-11"]["events_week_before"] == 99
    assert found["2025-11-11"]["change_percent"] is None
    assert found["2025-11-03"]["events_week_before"] == 0
    assert found["2025-11-12"]["new_events"] == 1


def test_a_suite_of_one_source_does_not_judge_another_and_holds_back_its_meters(home):  # noqa: F811
    own = home.path / "expectations"
    own.mkdir()
    (own / "rows.yaml").write_text(SMALL.format(source="rows"))
    (own / "api.yaml").write_text(SMALL.format(source="api").replace("few_", "api_few_"))
    home.load(requests(4))
    lake = home.lake
    with (
        lake.run_lock.held(),
        begin(lake, date(2025, 12, 1), None, True) as (run, _),
        run.warehouse.connect(run.pin, run.known_at) as db,
    ):
        db.execute("create table billing.drafts (draft_id varchar, content varchar)")
        results = run_expectations(run, db)
    failed = results.filter(~pl.col("passed")).select("check_name", "scope_kind", "scope_id")
    with lake.reading() as db:
        flatten(db)
        meters = db.execute(
            "select distinct 'api_few_customers', 'meter', meter_id from book.meters "
            "where event_type = 'request' order by all"
        ).fetchall()
    assert meters
    assert sorted(failed.rows()) == meters
    assert "expectations_on_rows" in results["check_name"].to_list()


SMALL = """\
batch: loads
source: {source}
expectations:
  - name: few_customers
    expect: expect_column_values_to_be_between
    arguments: {{column: customers, min_value: 2}}
    scope: meter
    blocking: true
    claim: at least two customers are in a load
    remedy: Ask.
"""


def test_shipped_expectations_are_ones_that_great_expectations_knows(suites):
    assert len(suites) == 3
    assert [fault for suite in suites.values() for fault in check_suite(suite)] == []


def test_an_expectation_that_does_not_exist_is_named_with_the_nearest_one():
    wrong = {"name": "x", "blocking": True, "claim": "c", "remedy": "r"}
    wrong["expect"] = "expect_column_values_to_be_betwen"
    suite = Suite.model_validate({"batch": "loads", "expectations": [wrong]})
    with pytest.raises(UsageError, match=r"'x' cannot be used: .*values_to_be_between'"):
        judge(suite, frame("loads"))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("max_value: 5}", "max_value: 0.5}", r"expectations\.0\.arguments\.max_value: an argument"),
        ("blocking: false", "bloking: false", "unknown key; did you mean 'blocking'"),
        ("batch: loads", "batch: loads\nsauce: a", "sauce: unknown key; did you mean 'source'"),
        ("batch: loads", "batch: loads\nsource: azur", "'azur' is not .* did you mean 'azure'"),
        ("batch: loads", "batch: loads\nsources: [azure]\nsource: azure", "not both"),
        ("column: open_percent", "column: open_procent", "did you mean 'open_percent'"),
        ("blocking: false", "blocking: false\n    scope: customer", "give one of run, meter"),
        ("name: loads_have_few_faults", "name: days_do_not_explode", "is taken by"),
        ("name: loads_have_few_faults", "name: entries_balance", "taken by a check of every run"),
        ("batch: loads", "batch: [", "is not YAML"),
        ("batch: loads", "", "batch: is missing"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_with_a_sentence(tmp_path, old, new, sentence):
    (tmp_path / "expectations").mkdir()
    text = (SHIPPED / "loads.yaml").read_text().replace(old, new)
    (tmp_path / "expectations" / "loads.yaml").write_text(text)
    settings = Settings(tmp_path, HomeFile.model_validate({"sources": {"azure": {}}}))
    with pytest.raises(UsageError, match=sentence):
        load_suites(settings)


def test_a_file_of_the_home_replaces_the_shipped_one_and_others_come_on_top(tmp_path):
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "days.yaml").write_text("batch: days\nexpectations: []\n")
    (tmp_path / "expectations" / "mine.yaml").write_text(SMALL.format(source="a"))
    found = load_suites(Settings(tmp_path, HomeFile.model_validate({"sources": {"a": {}}})))
    assert [(file.name, file.is_shipped) for file in found] == [
        *(("days", False), ("drafts", True), ("loads", True), ("mine", False))
    ]
