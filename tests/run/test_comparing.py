"""A change of the book is priced before it is recorded, and real usage under another book."""

import csv
import json
import os
import shutil
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from meterhouse.cli.app import App
from meterhouse.cli.values import money_text
from meterhouse.errors import Busy
from meterhouse.locks import FileLock
from meterhouse.run.whatif import whatif
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
start: {start}
payment_terms: net30
{terms}items:
  - id: use
    description: Use
    meter: tokens
    price: {{model: per_unit, unit_amount: "{price}"}}
{more}"""
FLOOR = "    modifiers: {minimum: {amount: '100'}}\n"
COMMITTED = "modifiers: {commitments: [{id: floor, amount: '200', period: quarter}]}\n"
PRICES = {"dear": "2", "cheap": "1", "floored": "3", "same": "5", "committed": "3"}
OTHER = {"dear": "1.5", "cheap": "1.25", "floored": "2", "committed": "2"}
USED = {"dear": 10, "cheap": 20, "floored": 7, "same": 4, "committed": 7}
CI = Path(__file__).parents[2] / "examples" / "ci"
ISSUED = """
select documents.customer_id, documents.kind, net, tax, total, account, entries.currency,
    sum(debit), sum(credit)
from facts.documents as documents
join facts.journal_entries as entries using (document_id)
join facts.journal_lines as lines using (entry_id)
where documents.batch_seq > ? group by all order by all
"""


def write(folder, same="", **prices):
    folder.mkdir(parents=True, exist_ok=True)
    told = {**PRICES, **prices}
    terms = {"committed": COMMITTED, "same": same}
    buyers = [
        BUYER.format(
            id=id,
            price=price,
            more=FLOOR if id == "floored" else "",
            terms=terms.get(id, ""),
            start="2025-08-01" if id == "committed" else "2025-10-01",
        )
        for id, price in told.items()
    ]
    (folder / "book.yaml").write_text("---\n".join([BOOK, *buyers]))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Five customers, billed through 1 November; the folder then proposes other prices."""
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
    home.head = App(home.folder).lake.head()
    write(home.folder / "book", **OTHER)
    home.planned = home.json("plan")
    return home


@pytest.fixture(scope="module")
def asked(home, tmp_path_factory):
    """The quarter that was billed under the other prices: JSON, CSV and picture."""
    folder = tmp_path_factory.mktemp("whatif")
    write(folder / "other", **OTHER)
    words = ("whatif", folder / "other", "--from", "2025-08-01", "--to", "2025-11-01")
    table, picture = folder / "out.csv", folder / "out.svg"
    found = home.json(*words, "--output", table, "--picture", picture)
    return found, table, picture


def test_a_plan_says_what_each_customer_pays_more_or_less_and_which_documents_it_causes(home):
    money = home.planned["money"]
    assert money["through"] == "2025-11-01"
    assert [
        (one["customer_id"], one["currency"], one["amount_old"], one["amount_new"],
         one["amount_difference"])
        for one in money["customers"]
    ] == [
        ("cheap", "USD", "20.00", "25.00", "5.00"),
        # Under its commitment nothing is won.
        ("committed", "USD", "200.00", "200.00", "0.00"),
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


def test_pricing_a_change_records_nothing(home, asked):
    assert App(home.folder).lake.head() == home.head


def test_without_a_run_there_is_nothing_to_compare_and_the_plan_says_so(home):
    assert home.before.exit_code == 0
    assert home.json("plan", "--no-money")["money"] is None


def test_a_price_cut_under_a_minimum_leaves_the_total_as_it_was(asked):
    customers = {one["customer_id"]: one for one in asked[0]["customers"]}
    assert customers["floored"]["amount_old"] == "100.00"
    assert customers["floored"]["amount_difference"] == "0.00"
    items = [one for one in asked[0]["items"] if one["customer_id"] == "floored"]
    assert {one["component"]: one["amount_difference"] for one in items} == {
        "usage": "-7.00",
        "minimum": "7.00",
    }


def test_a_price_cut_under_a_commitment_of_the_contract_leaves_the_total_as_it_was(asked):
    customers = {one["customer_id"]: one for one in asked[0]["customers"]}
    assert customers["committed"]["amount_old"] == customers["committed"]["amount_new"] == "200.00"
    items = [one for one in asked[0]["items"] if one["customer_id"] == "committed"]
    assert {
        (one["item_id"], one["component"]): (one["amount_old"], one["amount_new"]) for one in items
    } == {
        ("use", "usage"): ("21.00", "14.00"),
        ("floor", "true_up"): ("179.00", "186.00"),
    }


def test_a_what_if_names_winners_and_losers_in_tables_csv_and_a_picture(asked):
    found, table, picture = asked
    assert found["totals"] == [
        {"currency": "USD", "amount_old": "360.00", "amount_new": "360.00",
         "amount_difference": "0.00", "winners": 1, "losers": 1, "unchanged": 3}
    ]  # fmt: skip
    rows = list(csv.DictReader(table.read_text().splitlines()))
    changed = {row["customer_id"]: Decimal(row["amount_difference"]) for row in rows
               if row["customer_id"] in {"dear", "cheap"}}  # fmt: skip
    assert changed == {"dear": Decimal(-5), "cheap": Decimal(5)}
    svg = ElementTree.parse(picture).getroot()
    texts = [one.text for one in svg.iter() if one.text and one.tag.endswith("text")]
    assert {"dear", "cheap"} <= set(texts)
    assert "same" not in texts


def test_a_period_without_days_is_refused_and_nothing_is_compared(home):
    book = home.folder / "book"
    done = home.call("whatif", book, "--from", "2025-11-01", "--to", "2025-11-01")
    assert done.exit_code != 0
    assert "holds no day" in done.stderr


def git(folder, *words):
    """Run git there as somebody, without the settings of this machine."""
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    somebody = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    subprocess.run(
        ["git", *somebody, *words], cwd=folder, env={**os.environ, **alone}, check=True,
        capture_output=True,
    )  # fmt: skip


@pytest.fixture
def repository(home, tmp_path):
    """A git repository of the home: `main` has the recorded book, `change` other prices."""
    folder = tmp_path / "repository"
    write(folder / "book")
    shutil.copy(home.folder / "meterhouse.yaml", folder)
    shutil.copytree(CI, folder / "examples" / "ci")
    git(folder, "init", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "commit", "--message", "The book that is recorded")
    git(folder, "checkout", "-b", "change")
    write(folder / "book", **OTHER)
    git(folder, "commit", "--all", "--message", "Other prices")
    return folder


def priced(home, repository, branch, checkout):
    """Clone the branch, bring lake and warehouse, and do the workflow's step that prices it."""
    git(repository.parent, "clone", "--branch", branch, str(repository), str(checkout))
    for name in ("lake", "warehouse", "published"):
        shutil.copytree(home.folder / name, checkout / name)
    workflow = yaml.safe_load((checkout / "examples/ci/invoice-impact.yml").read_text())
    (step,) = [
        one["run"] for one in workflow["jobs"]["impact"]["steps"]
        if one.get("name") == "Price the change"
    ]  # fmt: skip
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", step], cwd=checkout, env={**os.environ, "PATH": path}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return (checkout / "impact.md").read_text()


@pytest.mark.soak
def test_a_period_in_which_nothing_is_charged_is_told_with_what_to_choose(home, tmp_path):
    write(tmp_path / "other", **OTHER)
    found = home.json("whatif", tmp_path / "other", "--from", "2025-01-01", "--to", "2025-02-01")
    assert found["items"] == found["totals"] == []
    (told,) = found["warnings"]
    assert told.startswith("Neither book charges anything from 2025-01-01 to 2025-02-01")


@pytest.mark.soak
def test_the_workflow_prices_the_head_of_a_branch_and_finds_its_base_unchanged(
    home, repository, tmp_path
):
    told = priced(home, repository, "change", tmp_path / "head")
    assert "| cheap | USD | 20.00 | 25.00 | 5.00 |" in told
    assert "| dear | credit_note | USD | -5.00 | -0.50 | -5.50 |" in told
    base = priced(home, repository, "main", tmp_path / "base")
    assert "cheap" not in base
    assert "credit_note" not in base


def test_a_run_need_not_wait_while_the_other_book_is_rated(home, tmp_path):
    write(tmp_path / "other", **OTHER)
    lake = App(home.folder).lake
    free = {}

    def listen(stage):
        another = FileLock(home.folder / "locks" / "run.lock", "run", 0)
        try:
            with another.held():
                free[stage.split()[0]] = True
        except Busy:
            free[stage.split()[0]] = False

    whatif(lake, tmp_path / "other", date(2025, 8, 1), date(2025, 11, 1), listen)
    assert free["Taking"] is False
    assert free["Cutting"] is False
    assert free["Rating"] is True
    assert free["Comparing"] is True


def test_what_a_plan_announces_is_what_the_next_run_issues_also_where_windows_are_cut_otherwise(
    home,
):
    write(home.folder / "book", same="anchor_day: 20\n", **OTHER)
    planned = home.json("plan")["money"]
    assert {"same"} < {one["customer_id"] for one in planned["windows"]}
    head = App(home.folder).lake.head()
    for words in (("apply", "--yes"), ("run", "--through", "2025-11-01")):
        done = home.call(*words)
        assert done.exit_code == 0, (done.stdout, done.stderr)
    announced = sorted(
        (one["customer_id"], one["kind"], one["net"], one["tax"], one["total"], leg["account"],
         leg["currency"], leg["debit"], leg["credit"])
        for one in planned["documents"] for leg in one["entries"]
    )  # fmt: skip
    with App(home.folder).lake.reading() as db:
        rows = db.execute(ISSUED, [head.batch_seq]).fetchall()
    issued = [
        (*row[:2], *(money_text(one, row[6]) for one in row[2:5]), *row[5:7],
         *(money_text(one, row[6]) for one in row[7:]))
        for row in rows
    ]  # fmt: skip
    assert issued
    assert announced == sorted(issued)
