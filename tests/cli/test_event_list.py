"""Single events are found by what is known of them, and say what became of them."""

import csv
import io
import json

import pytest

from tests.cli.conftest import SELLER, Home

pytestmark = pytest.mark.slow
BOOK = (
    SELLER
    + """\
kind: event_type
id: request
properties:
  tokens: {type: decimal, decimals: 2}
  region: {type: string, required: false}
---
kind: event_type
id: ping
properties: {}
---
kind: meter
id: tokens
event_type: request
aggregation: sum
property: tokens
unit: token
filter: {region: [eu]}
---
kind: customer
id: sato
name: 佐藤商店
external_id: crm-9
tax: {treatment: exempt, reason: Certificate 1}
---
kind: customer
id: lost
name: Lost Ltd
tax: {treatment: exempt, reason: Certificate 2}
---
kind: contract
id: sato-main
customer: sato
entity: us
currency: USD
zone: Asia/Tokyo
start: 2025-10-01
payment_terms: net30
items:
  - id: tokens
    description: Tokens
    timing: arrears
    meter: tokens
    price: {model: per_unit, unit_amount: "0.5"}
"""
)


def event(id, time, subject="sato", type="request", **data):
    fields = {"id": id, "type": type, "subject": subject, "time": time, "data": data}
    return json.dumps(fields) + "\n"


FIRST = (
    event("a", "2025-10-31T14:59:59.5Z", tokens="2.50", region="eu")
    # 1 November in Tokyo.
    + event("b", "2025-10-31T15:00:00Z", "crm-9", tokens=4, region="eu")
    + event("c", "2025-10-15T00:00:00Z", tokens=8, region="us")
    + event("d", "2025-10-16T00:00:00Z", type="ping")
    + event("e", "2025-10-17T00:00:00Z", "lost", tokens=1, region="eu")
    + event("early", "2025-09-17T00:00:00Z", tokens=1, region="eu")
)
LATE = event("f", "2025-10-20T00:00:00Z", tokens=16, region="eu")
RESTATED = event("c", "2025-10-15T00:00:00Z", tokens=9, region="eu")
OCTOBER = "2025-10-01"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """October billed; then an event that came late, a restated one, and one no run has seen."""
    made = Home(tmp_path_factory.mktemp("events") / "home")
    (made.folder / "book").mkdir(parents=True)
    (made.folder / "meterhouse.yaml").write_text(
        "sources:\n  api: {on_conflict: supersede}\n  other: {}\n"
    )
    (made.folder / "book" / "all.yaml").write_text(BOOK)
    called(made, "init")
    called(made, "apply", "--yes")
    load(made, "first", FIRST)
    called(made, "run", "--through", "2025-11-01")
    load(made, "late", LATE)
    load(made, "restated", RESTATED)
    called(made, "run", "--through", "2025-11-01")
    load(made, "after", event("g", "2025-11-02T00:00:00Z", tokens=1, region="eu"))
    return made


def called(home, *words):
    done = home.call(*words)
    assert done.exit_code == 0, (done.stdout, done.stderr)
    return done


def load(home, name, text):
    path = home.folder / f"{name}.ndjson"
    path.write_text(text)
    called(home, "ingest", path, "--source", "api")


def listed(home, *words):
    """Events by id, in the order they are shown."""
    return {one["event_id"]: one for one in home.json("events", "list", *words)["events"]}


def test_all_events_are_listed_newest_first_in_utc_and_in_the_customers_time(home):
    found = listed(home)
    assert [*found] == ["g", "b", "a", "f", "e", "d", "c", "early"]
    first = found["b"]
    assert first["time"] == "2025-10-31T15:00:00+00:00"
    assert (first["local_time"], first["zone"]) == ("2025-11-01T00:00:00", "Asia/Tokyo")
    assert (first["customer_id"], first["subject"]) == ("sato", "crm-9")
    assert first["properties"] == {"tokens": "4", "region": "eu"}
    assert (first["file"], first["source_row"], first["status"]) == ("first.ndjson", 2, "live")
    assert found["e"]["zone"] == "UTC"


def test_days_are_those_of_the_customers_zone_and_the_last_is_left_out(home):
    november = ("--customer", "sato", "--from", "2025-11-01")
    assert [*listed(home, *november)] == ["g", "b"]
    assert [*listed(home, *november, "--to", "2025-11-02")] == ["b"]
    assert [*listed(home, "--to", "2025-10-16")] == ["c", "early"]
    assert [*listed(home, "--from", "2025-10-31", "--to", "2025-11-01")] == ["b", "a"]


def test_filters_narrow_the_list_together(home):
    assert [*listed(home, "--type", "ping")] == ["d"]
    assert [*listed(home, "--customer", "lost")] == ["e"]
    assert [*listed(home, "--id", "f", "--source", "api")] == ["f"]
    assert [*listed(home, "--source", "other")] == []
    assert [*listed(home, "--meter", "tokens")] == ["g", "b", "a", "f", "e", "c", "early"]


def test_a_limit_says_that_there_is_more(home):
    done = home.call("events", "list", "--limit", "3")
    assert "The newest 3 events are shown; give --limit for more." in done.stderr
    assert [*listed(home, "--limit", "3")] == ["g", "b", "a"]
    assert home.json("events", "list", "--limit", "3")["is_more"]
    assert not home.json("events", "list", "--limit", "8")["is_more"]


def test_a_meter_shows_whether_its_filter_takes_an_event_and_what_it_counts(home):
    found = listed(home, "--meter", "tokens", "--all-versions")
    shown = home.json("events", "list", "--meter", "tokens", "--all-versions")["events"]
    first, second = (one for one in reversed(shown) if one["event_id"] == "c")
    assert (first["is_taken"], first["value"], first["status"]) == (False, None, "superseded")
    assert (second["is_taken"], second["value"], second["status"]) == (True, "9", "live")
    assert found["a"]["value"] == "2.5"
    told = home.call("events", "list", "--meter", "tokens", "--id", "c", "--all-versions").stdout
    assert "not taken" in told


def test_every_event_says_what_became_of_it(home):
    found = listed(home)
    fates = {name: one["fate"] for name, one in found.items()}
    assert fates == {
        "g": "waiting", "b": "read", "a": "read", "f": "read", "e": "no_contract",
        "d": "no_meter", "c": "read", "early": "no_contract",
    }  # fmt: skip
    (read,) = found["a"]["reads"]
    assert (read["contract_id"], read["item_id"], read["value"]) == ("sato-main", "tokens", "2.5")
    assert (read["window_start_on"], read["window_end_on"]) == (OCTOBER, "2025-11-01")
    assert read["number"] == "us-2025-000001"
    # Its window is not due yet.
    assert (found["b"]["reads"][0]["number"], found["b"]["is_late"]) == (None, False)


def test_an_event_that_came_after_its_window_was_billed_is_late_and_on_the_correction(home):
    found = listed(home)
    assert {name for name, one in found.items() if one["is_late"]} == {"c", "f"}
    numbers = {one["event_id"]: one["reads"][0]["number"] for one in found.values() if one["reads"]}
    assert {name: numbers[name] for name in "afc"} == {
        "a": "us-2025-000001",
        "f": "us-2025-000002",
        "c": "us-2025-000002",
    }
    assert "; late" in home.call("events", "list", "--id", "f").stdout


def test_all_versions_of_an_event_say_what_replaced_what(home):
    found = home.json("events", "show", "api", "c")
    first, second = found["versions"]
    assert (first["status"], second["status"]) == ("superseded", "live")
    assert first["replaced_by"] == second["reference"]
    assert (first["properties"]["tokens"], second["properties"]["tokens"]) == ("8", "9")
    assert (first["reads"], [one["value"] for one in second["reads"]]) == ([], ["9"])
    told = home.call("events", "show", "api", "c").stdout
    assert f"Version {first['reference']}: superseded" in told
    assert "restated.ndjson row 1" in told


def test_csv_has_one_row_for_each_event_and_a_column_for_each_property(home):
    done = called(home, "events", "list", "--customer", "sato", "--meter", "tokens", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["event_id"] for row in rows] == ["g", "b", "a", "f", "c", "early"]
    by_id = {row["event_id"]: row for row in rows}
    assert (by_id["a"]["property_tokens"], by_id["a"]["value"]) == ("2.50", "2.5")
    assert by_id["a"]["time"] == "2025-10-31T14:59:59.500000Z"
    assert by_id["f"]["is_late"] == "true"
    assert by_id["b"]["read_by"] == "sato-main tokens from 2025-11-01, not billed yet"


def test_before_the_first_run_the_customers_zone_is_that_of_the_book(tmp_path):
    home = Home(tmp_path / "home")
    (home.folder / "book").mkdir(parents=True)
    (home.folder / "meterhouse.yaml").write_text("sources: {api: {}}\n")
    (home.folder / "book" / "all.yaml").write_text(BOOK)
    called(home, "init")
    called(home, "apply", "--yes")
    assert home.json("events", "list")["events"] == []
    load(home, "first", FIRST)
    found = listed(home, "--customer", "sato", "--from", "2025-11-01")
    assert [(one["zone"], one["fate"]) for one in found.values()] == [("Asia/Tokyo", "not_run")]
    assert "no run yet" in called(home, "events", "list").stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["list", "--customer", "satoo"], "did you mean 'sato'?"),
        (["list", "--meter", "tokenz"], "did you mean 'tokens'?"),
        (["list", "--type", "requests"], "did you mean 'request'?"),
        (["list", "--source", "apu"], "did you mean 'api'?"),
        (["list", "--type", "ping", "--meter", "tokens"], "reads events of type request"),
        (["list", "--from", "2025-11-02", "--to", "2025-11-02"], "first day that is left out"),
        (["list", "--csv", "--json"], "Give one of --json and --csv"),
        (["show", "api", "nothing"], "No accepted event of source 'api' has the id 'nothing'"),
    ],
)
def test_what_is_not_known_is_refused_and_no_empty_list(home, words, sentence):
    done = home.call("events", *words)
    assert done.exit_code == 2
    assert sentence in done.stderr.replace("\n", " ") + done.stdout
