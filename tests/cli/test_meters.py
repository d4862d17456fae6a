"""Meters are looked at, estimated and compared from the facts alone."""

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
  tokens: {type: integer}
  region: {type: string, required: false}
---
kind: meter
id: tokens
event_type: request
aggregation: sum
property: tokens
dimensions: [region]
unit: token
---
kind: meter
id: level
event_type: request
aggregation: weighted_sum
property: tokens
unit: token
---
kind: meter
id: eu-tokens
event_type: request
aggregation: sum
property: tokens
filter: region = 'eu'
unit: token
shadow_of: tokens
---
kind: customer
id: sato
name: Sato
external_id: crm-9
aliases: [{value: sato-old}]
tax: {treatment: exempt, reason: Certificate 1}
---
kind: customer
id: twice
name: Twice
tax: {treatment: exempt, reason: Certificate 2}
---
"""
)
CONTRACT = """\
kind: contract
id: {id}
customer: {customer}
entity: us
currency: USD
zone: {zone}
start: 2025-10-01
payment_terms: net30
items:
  - id: tokens
    description: Tokens
    timing: arrears
    meter: {meter}
    price: {{model: graduated, tiers: [{{up_to: "5", unit_amount: "0.105"}}, {{unit_amount: "1"}}]}}
---
"""
CONTRACTS = (
    {"id": "sato-main", "customer": "sato", "zone": "Asia/Tokyo", "meter": "tokens"},
    {"id": "twice-a", "customer": "twice", "zone": "UTC", "meter": "tokens"},
    {"id": "twice-b", "customer": "twice", "zone": "Asia/Kathmandu", "meter": "level"},
    {"id": "twice-c", "customer": "twice", "zone": "Asia/Tokyo", "meter": "level"},
)
EVENTS = (
    ("a", "2025-10-31T14:59:59Z", "sato", 3, "eu"),
    # 1 November in Tokyo.
    ("b", "2025-10-31T15:00:00Z", "crm-9", 4, "eu"),
    ("c", "2025-11-01T15:30:00Z", "sato", 7, "us"),
    ("d", "2025-11-02T00:00:00Z", "twice", 2, "us"),
)


def line(id, time, subject, tokens, region):
    data = {"tokens": tokens, "region": region}
    fields = {"id": id, "type": "request", "subject": subject, "time": time, "data": data}
    return json.dumps(fields) + "\n"


def called(home, *words):
    done = home.call(*words)
    assert done.exit_code == 0, (done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Events are loaded, and no run was made."""
    made = Home(tmp_path_factory.mktemp("meters") / "home")
    (made.folder / "book").mkdir(parents=True)
    (made.folder / "meterhouse.yaml").write_text("sources: {api: {}}\n")
    contracts = "".join(CONTRACT.format(**one) for one in CONTRACTS)
    # The same usage in two zones, so both items are shared.
    contracts = contracts.replace("meter: level\n", "meter: level\n    shared: true\n")
    (made.folder / "book" / "all.yaml").write_text(BOOK + contracts)
    called(made, "init")
    called(made, "apply", "--yes")
    for number, lines in enumerate((EVENTS[:3], EVENTS[3:])):
        path = made.folder / f"{number}.ndjson"
        path.write_text("".join(line(*one) for one in lines))
        called(made, "ingest", path, "--source", "api")
    return made


def rows(home, *words):
    return home.json("meters", "estimate", *words)["rows"]


def quantities(found):
    return [(one["window_start"][:10], one["dimensions"], one["quantity"]) for one in found]


def test_meters_are_listed_with_what_reads_them(home):
    found = {one["meter_id"]: one for one in home.json("meters", "list")["meters"]}
    assert found["tokens"]["items"] == ["sato-main tokens", "twice-a tokens"]
    assert (found["tokens"]["contracts"], found["tokens"]["unit"]) == (2, "token")
    assert found["eu-tokens"]["shadow_of"] == "tokens"
    told = called(home, "meters", "list").stdout
    assert "nothing: shadow of tokens" in told
    assert "sum tokens by region" in told


def test_the_default_is_the_customers_charge_window_now_by_its_local_days(home):
    found = home.json("meters", "estimate", "tokens", "--customer", "sato")
    assert (found["customer"], found["unit"]) == ("sato", "token")
    assert quantities(found["rows"]) == [
        ("2025-10-31", {"region": "eu"}, "4"),
        ("2025-10-31", {"region": "us"}, "7"),
    ]
    assert {one["contract_id"] for one in found["rows"]} == {"sato-main"}
    told = called(home, "meters", "estimate", "tokens", "--customer", "sato").stdout
    assert "2025-11-01" in told
    assert "region=eu" in told


def test_an_alias_and_an_external_id_mean_the_customer(home):
    by_id = rows(home, "tokens", "--customer", "sato")
    assert rows(home, "tokens", "--customer", "crm-9") == by_id
    assert rows(home, "tokens", "--customer", "sato-old") == by_id


def test_days_are_those_of_the_contract_and_instants_are_instants(home):
    span = ("--from", "2025-10-31", "--to", "2025-11-01")
    assert [one["quantity"] for one in rows(home, "tokens", "--customer", "sato", *span)] == ["3"]
    instants = ("--from", "2025-10-31T14:59:59Z", "--to", "2025-10-31T15:00:01+00:00")
    found = rows(home, "tokens", "--customer", "sato", *instants)
    assert [one["quantity"] for one in found] == ["7"]
    utc = rows(home, "tokens", "--customer", "sato", *span, "--zone", "UTC")
    assert [one["quantity"] for one in utc] == ["7"]


def test_one_row_is_given_for_each_piece(home):
    days = rows(home, "tokens", "--customer", "sato", "--per", "day", "--from", "2025-10-31",
                "--to", "2025-11-03")  # fmt: skip
    assert [(one["window_start"][:10], one["quantity"]) for one in days] == [
        ("2025-10-30", "3"),
        ("2025-10-31", "4"),
        ("2025-11-01", "7"),
    ]
    months = rows(home, "tokens", "--customer", "sato", "--per", "month", "--from", "2025-10-15",
                  "--to", "2025-11-15")  # fmt: skip
    assert [one["quantity"] for one in months] == ["3", "4", "7"]
    windows = rows(home, "tokens", "--customer", "sato", "--per", "window", "--from", "2025-10-15")
    assert [one["quantity"] for one in windows] == ["3", "4", "7"]


def test_a_price_values_each_line_as_a_bill_would(home):
    found = rows(home, "tokens", "--customer", "sato", "--price")
    assert [(one["quantity"], one["amount_unrounded"], one["amount"]) for one in found] == [
        ("4", "0.42", "0.42"),
        ("7", "2.525", "2.53"),
    ]
    span = ("--from", "2025-11-01", "--to", "2025-11-02", "--price")
    (one,) = rows(home, "tokens", "--customer", "sato", *span)
    assert (one["quantity"], one["amount"], one["item_id"]) == ("4", "0.42", "tokens")


def test_everybody_is_one_statement_with_a_row_for_each(home):
    found = rows(home, "tokens", "--customer", "all", "--from", "2025-10-01", "--to", "2025-12-01")
    assert [(one["customer_id"], one["zone"], one["quantity"]) for one in found] == [
        ("sato", "Asia/Tokyo", "7"),
        ("sato", "Asia/Tokyo", "7"),
        ("twice", "UTC", "2"),
    ]


def test_only_batches_that_are_asked_for_count(home):
    head = home.json("meters", "estimate", "tokens", "--customer", "twice")["known_at"]
    span = ("--customer", "twice", "--from", "2025-10-01", "--to", "2025-12-01", "--zone", "UTC")
    assert [one["quantity"] for one in rows(home, "tokens", *span)] == ["2"]
    before = rows(home, "tokens", *span, "--known-at", str(head - 1))
    assert [(one["quantity"], one["is_measured"]) for one in before] == [("0", False)]
    after = rows(home, "tokens", *span, "--since-batch", str(head - 1))
    assert [one["quantity"] for one in after] == ["2"]


def test_a_shadow_is_estimated_in_the_windows_of_its_meter(home):
    found = rows(home, "eu-tokens", "--customer", "sato")
    assert quantities(found) == [("2025-10-31", {}, "4")]


def test_csv_has_a_column_for_each_dimension(home):
    done = called(home, "meters", "estimate", "tokens", "--customer", "sato", "--csv", "--price")
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(one["dimension_region"], one["quantity"], one["amount"]) for one in found] == [
        ("eu", "4", "0.42"),
        ("us", "7", "2.53"),
    ]
    assert found[0]["window_start"] == "2025-10-31T15:00:00.000000Z"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["estimate", "tokenz", "--customer", "sato"], "did you mean 'tokens'?"),
        (["estimate", "tokens", "--customer", "satu"], "did you mean 'sato'?"),
        (["estimate", "tokens", "--customer", "sato", "--version", "9"], "has no version 9"),
        (["estimate", "tokens", "--customer", "sato", "--known-at", "99"], "Batch 99 is not known"),
        (["estimate", "tokens", "--customer", "sato", "--from", "2025-11-01T00:00"], "nor an inst"),
        (["estimate", "tokens", "--customer", "sato", "--to", "2025-11-01"], "--to needs --from"),
        (["estimate", "tokens", "--customer", "sato", "--per", "minute", "--from", "2025-10-01"],
         "at most 1,500 are measured"),
        (["estimate", "level", "--customer", "twice", "--from", "2025-11-01"], "in 2 zones"),
        (["estimate", "level", "--customer", "sato"], "No contract of sato reads meter level"),
        (["estimate", "tokens", "--customer", "sato", "--zone", "Asia/Tokio"], "Asia/Tokyo"),
        (["show", "tokenz"], "did you mean 'tokens'?"),
        (["diff", "tokens"], "With what?"),
        (["diff", "tokens", "tokens@x"], "is not a meter"),
        (["diff", "tokens", "tokens@7"], "has no version 7"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused_with_a_sentence(home, words, sentence):
    done = home.call("meters", *words)
    assert done.exit_code == 2
    assert sentence in " ".join((done.stderr + done.stdout).split())


def test_a_meter_against_itself_is_empty(home):
    found = home.json("meters", "diff", "tokens", "tokens")
    assert (found["rows"], found["totals"], found["windows_that_differ"]) == ([], [], 0)
    assert found["windows"] > 0


def test_a_meter_against_its_shadow_tells_quantity_and_money(home):
    found = home.json("meters", "diff", "tokens", "eu-tokens")
    # us: 7 tokens cost 0.525 + 2 and 2 tokens 0.21.
    assert [
        (r["customer_id"], r["quantity_difference"], r["amount_difference"]) for r in found["rows"]
    ] == [("sato", "-7", "-2.53"), ("twice", "-2", "-0.21")]
    # The windows of October are the same in all, told apart by region or not.
    assert (found["windows"], found["windows_that_differ"]) == (4, 2)
    assert [one["amount_a"] for one in found["rows"]] == ["2.95", "0.21"]
    (total,) = found["totals"]
    assert (total["amount_difference"], total["customers_that_pay_less"]) == ("-2.74", 2)
    assert home.json("meters", "diff", "eu-tokens", "tokens")["totals"][0][
        "amount_difference"
    ] == "2.74"  # fmt: skip
    by_dimension = home.json("meters", "diff", "tokens", "eu-tokens", "--by", "dimension")["rows"]
    assert sum(int(r["quantity_difference"]) for r in by_dimension) == -9
    told = called(home, "meters", "diff", "tokens", "eu-tokens").stdout
    assert "█" in told
    only = home.json("meters", "diff", "tokens", "eu-tokens", "--customer", "crm-9")["rows"]
    assert [one["customer_id"] for one in only] == ["sato"]


def test_a_folder_that_is_not_applied_can_be_compared(home, tmp_path):
    (tmp_path / "next.yaml").write_text(
        "kind: meter\nid: tokens\nevent_type: request\naggregation: count\nunit: token\n"
    )
    found = home.json("meters", "diff", "tokens", "--book", str(tmp_path), "--by", "window")
    by_start = {
        (r["customer_id"], r["window_start_on"]): (r["quantity_a"], r["quantity_b"])
        for r in found["rows"]
    }
    assert by_start["sato", "2025-11-01"] == ("11", "2")
    assert by_start["twice", "2025-11-01"] == ("2", "1")
    # Nothing was recorded.
    assert len(home.json("meters", "show", "tokens")["versions"]) == 1
    done = called(home, "meters", "diff", "tokens", "--book", str(tmp_path), "--csv")
    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 2


def test_a_faulty_folder_is_refused_with_all_that_is_wrong(home, tmp_path):
    (tmp_path / "next.yaml").write_text(
        "kind: meter\nid: tokens\nevent_type: request\naggregation: sum\nunit: token\n"
    )
    done = home.call("meters", "diff", "tokens", "--book", str(tmp_path))
    assert done.exit_code != 0
    assert "`property` is needed for aggregation sum" in done.stderr
