"""A change of the book is priced before it is recorded, and real usage under another book."""

import csv
import json
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import SELLER, Home

pytestmark = [
    pytest.mark.slow,
    # A run judges its loads by Great Expectations, which imports a module Python 3.11 renamed.
    pytest.mark.filterwarnings("ignore:module 'sre_parse' is deprecated:DeprecationWarning"),
]
BOOK = (
    SELLER
    + """\
kind: event_type
id: request
properties:
  tokens: {type: integer}
---
kind: meter
id: tokens
event_type: request
aggregation: sum
property: tokens
unit: token
"""
)
BUYER = """\
kind: customer
id: {id}
name: {id}
tax: {{treatment: taxed, rate: "0.10", name: VAT}}
---
kind: contract
id: {id}-main
customer: {id}
entity: us
currency: USD
zone: UTC
start: 2025-10-01
payment_terms: net30
items:
  - id: use
    description: Use
    meter: tokens
    price: {{model: per_unit, unit_amount: "{price}"}}
{more}"""
FLOOR = "    modifiers: {minimum: {amount: '100'}}\n"
PRICES = {"dear": "2", "cheap": "1", "floored": "3", "same": "5"}
USED = {"dear": 10, "cheap": 20, "floored": 7, "same": 4}


def write(folder, **prices):
    folder.mkdir(parents=True, exist_ok=True)
    told = {**PRICES, **prices}
    buyers = [
        BUYER.format(id=id, price=price, more=FLOOR if id == "floored" else "")
        for id, price in told.items()
    ]
    (folder / "book.yaml").write_text("---\n".join([BOOK, *buyers]))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Four customers, billed through 1 November; the folder then proposes other prices."""
    home = Home(tmp_path_factory.mktemp("comparing") / "home")
    write(home.folder / "book")
    (home.folder / "meterhouse.yaml").write_text("sources: {api: {}}\n")
    for words in (("init",), ("apply", "--yes")):
        done = home.call(*words)
        assert done.exit_code == 0, done.stderr
    home.before = home.call("plan")
    events = [
        {"id": f"{id}-{month}", "type": "request", "subject": id,
         "time": f"2025-{month}-10T00:00:00Z", "data": {"tokens": count}}
        for id, count in USED.items() for month in (10, 11)
    ]  # fmt: skip
    usage = home.folder / "usage.ndjson"
    usage.write_text("".join(json.dumps(one) + "\n" for one in events))
    for words in (("ingest", usage, "--source", "api"), ("run", "--through", "2025-11-01")):
        done = home.call(*words)
        assert done.exit_code == 0, (done.stdout, done.stderr)
    write(home.folder / "book", dear="1.5", cheap="1.25", floored="2")
    home.planned = home.json("plan")
    return home


def test_a_plan_says_what_each_customer_pays_more_or_less_and_which_documents_it_causes(home):
    money = home.planned["money"]
    assert money["through"] == "2025-11-01"
    assert [
        (one["customer_id"], one["currency"], one["amount_old"], one["amount_new"],
         one["amount_difference"])
        for one in money["customers"]
    ] == [
        ("cheap", "USD", "20.00", "25.00", "5.00"),
        ("dear", "USD", "20.00", "15.00", "-5.00"),
        # Its windows change: the minimum takes up what the usage costs less.
        ("floored", "USD", "100.00", "100.00", "0.00"),
    ]  # fmt: skip
    assert {one["is_issued"] for one in money["windows"] if one["amount_difference"] != "0"} == {
        True
    }
    documents = {one["customer_id"]: one for one in money["documents"]}
    credit, debit = documents["dear"], documents["cheap"]
    assert (credit["kind"], credit["net"], credit["tax"], credit["total"]) == (
        "credit_note", "-5.00", "-0.50", "-5.50",
    )  # fmt: skip
    assert (debit["net"], debit["tax"], debit["total"]) == ("5.00", "0.50", "5.50")
    for one in (credit, debit):
        assert sum(Decimal(line["amount"]) for line in one["lines"]) == Decimal(one["net"])
        legs = one["entries"]
        assert legs
        assert sum(Decimal(leg["debit"]) for leg in legs) == sum(
            Decimal(leg["credit"]) for leg in legs
        )


def test_what_a_plan_announces_is_what_the_next_run_would_issue_and_nothing_is_recorded(home):
    again = home.json("plan")
    assert again["money"] == home.planned["money"]
    drafts = home.json("run", "--through", "2025-11-01", "--dry-run")["counts"]
    assert drafts["drafts"] == 0  # Nothing of the proposal was recorded.


def test_without_a_run_there_is_nothing_to_compare_and_the_plan_says_so(home):
    assert home.before.exit_code == 0
    write(home.folder / "book", dear="1.5", cheap="1.25", floored="2")
    assert home.json("plan", "--no-money")["money"] is None


def test_a_price_cut_under_a_minimum_leaves_the_total_as_it_was(home, tmp_path):
    write(tmp_path / "other", floored="2")
    found = home.json("whatif", tmp_path / "other", "--from", "2025-10-01", "--to", "2025-12-01")
    customers = {one["customer_id"]: one for one in found["customers"]}
    assert customers["floored"]["amount_old"] == "200.00"
    assert customers["floored"]["amount_difference"] == "0.00"
    items = [one for one in found["items"] if one["customer_id"] == "floored"]
    assert {one["component"]: one["amount_difference"] for one in items} == {
        "usage": "-14.00",
        "minimum": "14.00",
    }


def test_a_what_if_names_winners_and_losers_in_tables_csv_and_a_picture(home, tmp_path):
    write(tmp_path / "other", dear="1.5", cheap="1.25", floored="2")
    table, picture = tmp_path / "out.csv", tmp_path / "out.svg"
    words = ("whatif", tmp_path / "other", "--from", "2025-10-01", "--to", "2025-12-01")
    found = home.json(*words, "--output", table, "--picture", picture)
    assert found["totals"] == [
        {"currency": "USD", "amount_old": "320.00", "amount_new": "320.00",
         "amount_difference": "0.00", "winners": 1, "losers": 1, "unchanged": 2}
    ]  # fmt: skip
    rows = list(csv.DictReader(table.read_text().splitlines()))
    changed = {row["customer_id"]: Decimal(row["amount_difference"]) for row in rows
               if row["customer_id"] in {"dear", "cheap"}}  # fmt: skip
    assert changed == {"dear": Decimal(-10), "cheap": Decimal(10)}
    svg = ElementTree.parse(picture).getroot()
    texts = [one.text for one in svg.iter() if one.text and one.tag.endswith("text")]
    assert {"dear", "cheap"} <= set(texts)
    assert "same" not in texts


def test_a_period_without_days_is_refused_and_nothing_is_compared(home):
    book = home.folder / "book"
    done = home.call("whatif", book, "--from", "2025-11-01", "--to", "2025-11-01")
    assert done.exit_code != 0
    assert "holds no day" in done.stderr


def test_a_plan_as_markdown_is_a_table_for_a_pull_request(home):
    done = home.call("plan", "--markdown")
    assert done.exit_code == 0, done.stderr
    assert "| cheap | USD | 20.00 | 25.00 | 5.00 |" in done.stdout
    assert "| dear | credit_note | USD | -5.00 | -0.50 | -5.50 |" in done.stdout
