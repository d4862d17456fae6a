"""Taxes that an engine says: asked once, recorded, told what was issued; a real AvaTax-like API."""

import json
from datetime import date
from decimal import Decimal

import pytest
from ruamel.yaml import YAML

from meterhouse.run.crediting import Request, credit
from meterhouse.run.drafting import make_drafts
from meterhouse.run.rebuild import rebuild
from meterhouse.run.steps import resume
from meterhouse.run.tax_sending import DELIVERED, pending, question_of, send
from meterhouse.run.voiding import void
from tests.servers import avatax
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, SETTINGS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
D = Decimal
BOOK = """
kind: entity
id: house
legal_name: House Inc
address: {line1: 1 Main St, city: Seattle, region: WA, postal_code: "98101", country: US}
base_currency: USD
zone: America/Los_Angeles
approval: automatic
tax: {engine: avatax}
---
{kind: payment_terms, id: net14, net_days: 14}
---
{kind: product, id: reports, name: Reports, tax_code: NT}
---
kind: event_type
id: request
properties: {tokens: {type: integer}}
---
kind: meter
id: tokens
event_type: request
aggregation: sum
property: tokens
unit: token
decimals: 0
"""
CONTRACT = """
kind: contract
entity: house
currency: USD
zone: America/Los_Angeles
start: 2026-01-01
payment_terms: net14
items:
  - {id: tokens, description: Tokens, meter: tokens, price: {model: per_unit, unit_amount: "0.01"}}
  - {id: seat, description: Seat, price: {model: flat, amount: "10.05"}, tax_category: software}
  - {id: report, product: reports, description: Report, price: {model: flat, amount: "5.00"}}
"""
PLACES = {"acme": ("WA", "Seattle"), "lake": ("IL", "Chicago"), "rose": ("OR", "Portland")}
PARTIES = {
    **PLACES,
    "lost": ("ZZ", "Nowhere"),
    "chosen": ("WA", "Seattle"),
    "school": PLACES["lake"],
    "till": ("WA", "Seattle"),
}
# Contracts whose prices hold their taxes.
INCLUSIVE = ("till",)
MORE = {
    "chosen": {"tax": {"treatment": "taxed", "rate": "0.10", "name": "Own"}},
    "school": {"exemptions": [{"certificate": "E-7", "country": "US", "reason": "School"}]},
}


def party(id, region, city):
    address = {"line1": "2 Elm St", "city": city, "region": region, "country": "US"}
    customer = {"kind": "customer", "id": id, "name": f"{id} Inc", "address": address}
    customer |= {"email": f"bills@{id}.example", **MORE.get(id, {})}
    contract = YAML(typ="safe").load(CONTRACT) | {"id": f"{id}-1", "customer": id}
    if id in INCLUSIVE:
        contract |= {"tax_inclusive": True}
    return [customer, contract]


@pytest.fixture(scope="module")
def engine():
    with avatax.serving(avatax.Avatax()) as api, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVATAX_ACCOUNT", avatax.ACCOUNT)
        patch.setenv("AVATAX_LICENSE_KEY", avatax.KEY)
        yield api


@pytest.fixture(scope="module")
def home(engine, tmp_path_factory):
    """Billed in January with the engine down, then again with it; February with late usage."""
    path = tmp_path_factory.mktemp("engine") / "home"
    path.mkdir()
    place = {"url": engine.url, "company": "HOUSE", "codes": {"software": "SW054000"}}
    place |= {"attempts": 2, "timeout_seconds": 5}
    with (path / "meterhouse.yaml").open("w") as file:
        YAML().dump(SETTINGS | {"tax_engines": {"avatax": place}}, file)
    home = Home(path.resolve(), {})
    home.lake.create()
    documents = list(YAML(typ="safe").load_all(BOOK))
    for id, (region, city) in PARTIES.items():
        documents += party(id, region, city)
    home.record(*documents)
    home.land([request("e1", "acme", "2026-01-10T12:00:00Z", 1005)])
    engine.always = avatax.status(503)
    down = home.issue(date(2026, 2, 1))
    asked_down, engine.always = len(engine.seen), None
    first = home.issue(date(2026, 2, 1))
    home.land([request("e2", "acme", "2026-01-11T12:00:00Z", 1000)])
    home.land([request("e3", "acme", "2026-02-11T12:00:00Z", 2000)])
    home.draft(date(2026, 3, 1))
    asked = len(engine.seen)
    run = resume(home.lake)
    with run.warehouse.connect(run.pin, run.known_at) as db:
        make_drafts(run, db)
    again = engine.seen[asked:]
    home.judge(None)
    return home, {"down": (down, asked_down), "first": first, "again": again}


def contents(home, customer):
    sql = "select content from facts.documents where customer_id = ? order by number"
    return [json.loads(text) for (text,) in home.rows(sql, [customer])]


def test_an_engine_that_is_down_holds_its_documents_back_and_no_others(home):
    down, asked = home[1]["down"]
    assert down.billed == {"chosen-1"}
    assert set(down.held) == {f"{id}-1" for id in PARTIES if id != "chosen"}
    assert "was answered with 503 (Service Unavailable)" in down.held["acme-1"]
    assert down.held["acme-1"].startswith("Engine avatax gave no taxes of draft ")
    # Four workers try twice each at most; then nobody asks on.
    assert asked <= 8


def test_an_address_that_cannot_be_found_is_told_and_blocks_only_its_customer(home):
    first = home[1]["first"]
    assert set(first.held) == {"lost-1"}
    assert "InvalidAddress: 'The address is not deliverable.'" in first.held["lost-1"]
    assert contents(home[0], "lost") == []


def test_what_was_answered_is_never_asked_again(home):
    # Only of the address that nobody knows is there no answer yet.
    assert {body["customerCode"] for _, _, body in home[1]["again"]} == {"lost"}


def test_a_price_that_holds_its_taxes_is_taken_apart_as_the_engine_says(home):
    first = contents(home[0], "till")[0]
    # 10.05 with 10.05 % in three parts is 9.13 and 0.92; the report is not taxed.
    assert (first["net"], first["tax_total"], first["total"]) == ("14.13", "0.92", "15.05")
    lines = [one for one in first["lines"] if one["item"] != "tokens"]
    held = {one["item"]: (one["amount"], one["tax_included"]) for one in lines}
    assert held == {"seat": ("9.13", "0.92"), "report": ("5.00", "0.00")}


def test_each_jurisdiction_is_a_row_of_the_document_and_its_lines_have_shares(home):
    second = contents(home[0], "acme")[1]
    rows = {one["name"]: (one["rate"], one["base"], one["amount"]) for one in second["tax"][:3]}
    assert rows["WA STATE TAX (WASHINGTON)"][0] == "0.065"
    own = [one for one in second["tax"] if one["treatment"] == "out_of_scope"]
    assert {one["base"] for one in own} == {"5.00"}
    shares = [one for line in second["lines"] for one in line["tax"]["shares"]]
    assert sum(D(one["amount"]) for one in shares) == D(second["tax_total"])


def test_no_tax_is_due_only_where_the_engine_says_so(home):
    rows = {one["treatment"] for content in contents(home[0], "rose") for one in content["tax"]}
    assert rows == {"out_of_scope"}
    [reasons] = {
        tuple(one["reason"] for one in content["tax"]) for content in contents(home[0], "rose")[:1]
    }
    assert reasons == ("No tax is due there, as the tax engine says.",)


def test_a_certificate_is_told_to_the_engine(home, engine):
    bodies = [one for one in engine.bodies("SalesOrder") if one["customerCode"] == "school"]
    assert {one["exemptionNo"] for one in bodies} == {"E-7"}
    assert {one["tax_total"] for one in contents(home[0], "school")} == {"0.00"}
    codes = {one.get("taxCode") for body in bodies for one in body["lines"]}
    assert codes == {None, "SW054000", "NT"}


def test_a_correction_is_asked_for_as_of_the_day_of_what_it_corrects(home, engine):
    third = contents(home[0], "acme")[2]
    body = [one for one in engine.bodies("SalesOrder") if one["customerCode"] == "acme"][-1]
    late = [line for line in body["lines"] if "taxOverride" in line]
    assert [line["amount"] for line in late] == [D("10.00")]
    assert late[0]["taxOverride"]["taxDate"] == "2026-02-01"
    assert third["dates"]["invoice_date"] == body["date"] == "2026-03-01"
    # February's usage at the raised rate of the city, January's at that of its own document.
    city = [one for one in third["tax"] if one["name"] == "WA CITY TAX (SEATTLE)"]
    rates = {one["rate"] for one in city if one["treatment"] == "taxed"}
    assert rates == {"0.0215", "0.0315"}


def test_taxes_of_documents_are_what_documents_and_the_journal_say(home):
    [(posted,)] = home[0].rows(
        "select sum(credit - debit) from facts.journal_lines where account = 'tax_payable'"
    )
    assert [(posted,)] == home[0].rows("select sum(tax) from facts.document_taxes")


def test_documents_are_made_again_to_the_byte_without_the_engine(home, engine):
    seen, number = len(engine.seen), contents(home[0], "acme")[2]["issue"]["number"]
    assert [one for one in rebuild(home[0].lake, [number]) if not one.is_identical] == []
    assert len(engine.seen) == seen


def test_what_was_issued_is_committed_once_and_what_was_voided_is_taken_back(
    home, engine, tmp_path
):
    own = home[0].copy(tmp_path / "home")
    number, total = own.rows(
        "select number, total from facts.documents where customer_id = 'lake' order by number"
    )[1]
    voided = own.rows(
        "select number from facts.documents where customer_id = 'school' order by number desc"
    )[0][0]
    asked = question_of(own.lake, number)
    assert (asked["question"]["buyer"]["id"], bool(asked["answer"])) == ("lake", True)
    credit(own.lake, Request(number, "Too much", amount=total / 2, on=date(2026, 3, 5)))
    void(own.lake, [voided], "Wrong", date(2026, 3, 5))
    due = pending(own.lake)
    engine.faults = {len(engine.seen) + 3: avatax.status(429, Retry_After="0")}
    done = send(own.lake)
    assert [one.result for one in done] == [DELIVERED] * len(due)
    kept = {code: (one["status"], one["totalTax"]) for code, one in engine.kept.items()}
    taxes = own.rows(
        "select number, tax from facts.documents where customer_id not in ('chosen') order by 1"
    )
    assert {code: total for code, (_, total) in kept.items()} == dict(taxes)
    assert {code for code, (status, _) in kept.items() if status != "Committed"} == {voided}
    [note] = engine.bodies("ReturnInvoice")
    assert {line["taxOverride"]["taxDate"] for line in note["lines"]} == {"2026-02-01"}
    assert all(D(line["amount"]) < 0 for line in note["lines"])
    seen = len(engine.seen)
    assert (send(own.lake), len(engine.seen)) == ([], seen)


def test_a_document_that_has_another_tax_there_is_not_committed(home, engine, tmp_path):
    own = home[0].copy(tmp_path / "home")
    engine.kept.clear()
    engine.drift = D("0.01")
    done = send(own.lake)
    engine.drift = D(0)
    refused = [one for one in done if one.result != DELIVERED]
    assert {"so it was not committed" in one.result for one in refused} == {True}
    assert {engine.kept[one.number]["status"] for one in refused} == {"Saved"}
    # The next call tries only those again, and what was mended is delivered.
    assert {one.number for one in send(own.lake)} == {one.number for one in refused}
    assert {one["status"] for one in engine.kept.values()} == {"Committed"}
