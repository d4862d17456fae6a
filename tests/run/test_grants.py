"""Grants in runs: what is given and bought, what it pays, what is left, and what is never twice."""

from datetime import date
from decimal import Decimal

import pytest
from ruamel.yaml import YAML

from meterhouse.run.explain import explain
from meterhouse.run.rebuild import rebuild
from meterhouse.warehouse import Warehouse
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, SETTINGS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
D = Decimal
BOOK = """
kind: entity
id: north
legal_name: North Ltd
address: {line1: 1 Quay, city: Dublin, country: IE}
base_currency: EUR
zone: Europe/Dublin
approval: automatic
---
{kind: payment_terms, id: net14, net_days: 14}
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
---
kind: customer
id: acme
name: Acme SAS
tax: {treatment: taxed, rate: "0.20", name: VAT}
---
kind: contract
id: acme-2026
customer: acme
entity: north
currency: EUR
zone: Europe/Paris
start: 2026-01-01
payment_terms: net14
items:
  - {id: tokens, description: Tokens, meter: tokens, price: {model: per_unit, unit_amount: "0.10"}}
"""
MONTHS = (date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1))
LINES = """
select item_id, role, window_start_on::varchar, sum(amount) from facts.billed_lines
group by all having sum(amount) <> 0 order by all
"""
BALANCES = """
select grant_id, granted_on::varchar, granted, carried, used, passed_on, expired, remaining
from billing.grant_balances order by 1, 2
"""


def home_with(path, *credits):
    """A home with one contract that has these credits, and nothing used."""
    documents = list(YAML(typ="safe").load_all(BOOK))
    documents[-1]["modifiers"] = {"credits": list(credits)}
    path.mkdir()
    with (path / "meterhouse.yaml").open("w") as file:
        YAML().dump(SETTINGS, file)
    home = Home(path.resolve(), {})
    home.lake.create()
    home.record(*documents)
    return home


def use(month, tokens, day=10):
    return request(
        f"e{month}-{day}-{tokens}", "acme", f"2026-{month:02}-{day:02}T12:00:00Z", tokens
    )


def billed(home):
    return {tuple(row[:3]): row[3] for row in home.rows(LINES)}


def derived(home, sql):
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        return db.execute(sql).fetchall()


def settled(home, through):
    """Issue through a day; nothing fails, and a second run makes nothing."""
    done = home.issue(through)
    assert done.failed == set()
    assert done.held == {}
    before = home.count_facts()["billed_lines"]
    again = home.issue(through)
    assert again.drafts == []
    assert home.count_facts()["billed_lines"] == before
    return done


def test_units_that_recur_pay_first_roll_over_and_leave_overage(tmp_path):
    monthly = {
        "id": "monthly",
        "amount": "1000",
        "unit": "units",
        "recurs": {"every": 1, "unit": "month"},
        "rollover": {"max": "300"},
    }
    home = home_with(tmp_path / "home", monthly)
    home.land([use(1, 400), use(2, 1500), use(3, 100)])
    settled(home, MONTHS[3])
    # 600 are left in January, 300 of which roll over: 1300 are free in February.
    assert billed(home) == {("tokens", "usage", "2026-02-01"): D(20)}
    found = [tuple(row) for row in derived(home, BALANCES)]
    assert found == [
        ("monthly", "2026-01-01", D(1000), D(0), D(400), D(300), D(300), D(0)),
        ("monthly", "2026-02-01", D(1000), D(300), D(1300), D(0), D(0), D(0)),
        ("monthly", "2026-03-01", D(1000), D(0), D(100), D(300), D(600), D(0)),
        ("monthly", "2026-04-01", D(1000), D(300), D(0), D(0), D(0), D(1300)),
    ]
    uses = derived(home, "select granted_on::varchar, quantity from billing.grant_uses order by 1")
    assert uses == [("2026-01-01", D(400)), ("2026-02-01", D(1300)), ("2026-03-01", D(100))]


@pytest.mark.soak
def test_paid_units_are_sold_once_and_cost_nothing_when_used(tmp_path):
    pack = {
        "id": "pack",
        "amount": "500",
        "unit": "units",
        "kind": "paid",
        "unit_price": "0.08",
        "expires_after": {"every": 2, "unit": "month"},
    }
    home = home_with(tmp_path / "home", pack)
    home.land([use(1, 200), use(2, 400), use(3, 50)])
    settled(home, MONTHS[0])
    assert billed(home) == {("pack", "units_sale", "2026-01-01"): D(40)}
    settled(home, MONTHS[3])
    assert billed(home) == {
        ("pack", "units_sale", "2026-01-01"): D(40),
        ("tokens", "usage", "2026-02-01"): D(10),
        ("tokens", "usage", "2026-03-01"): D(5),
    }
    # Sold in advance for two months: a liability until it is earned by the day.
    deferred = home.rows(
        "select sum(credit - debit) from facts.journal_lines where account = 'deferred_revenue'"
    )
    assert deferred == [(D(40),)]


@pytest.mark.soak
def test_top_ups_are_sold_with_the_use_and_late_usage_draws_anew(tmp_path):
    pack = {"id": "pack", "amount": "100", "unit": "units", "kind": "paid", "unit_price": "0.08"}
    pack["top_up"] = {"below": "10", "amount": "100", "max_per_period": 2}
    home = home_with(tmp_path / "home", pack)
    home.land([use(1, 150), use(2, 30)])
    home.issue(MONTHS[1])
    # 100 at the start and 100 when 150 were used.
    assert billed(home) == {("pack", "units_sale", "2026-01-01"): D(16)}
    home.land([use(1, 40, day=20)])
    done = home.issue(MONTHS[2])
    assert (done.failed, done.held) == (set(), {})
    # 190 leave 10: another 100 are bought, and pay February.
    assert billed(home) == {("pack", "units_sale", "2026-01-01"): D(24)}
    left = derived(home, "select granted, used, remaining from billing.grant_balances")
    assert left == [(D(300), D(220), D(80))]
    told = explain(home.lake, home.documents()[1]["issue"]["number"])["lines"]
    steps = [step for line in told for step in line["steps"]]
    assert [step["grant"] for step in steps if step["step"] == "free"] == ["pack"]
    assert home.issue(MONTHS[2]).drafts == []


def ledger(home):
    """Balance of each account: debits less credits."""
    rows = home.rows(
        "select account, sum(debit - credit) from facts.journal_lines group by 1 order by 1"
    )
    return dict(rows)


def test_money_that_was_bought_pays_documents_after_tax_lot_by_lot(tmp_path):
    wallet = {"id": "wallet", "amount": "100", "kind": "paid", "description": "Prepaid credit"}
    welcome = {"id": "welcome", "amount": "10"}
    home = home_with(tmp_path / "home", wallet, welcome)
    home.land([use(1, 600), use(2, 700)])
    home.issue(MONTHS[0])
    # The sale is neither taxed nor earned, and is not paid with itself.
    assert ledger(home) == {"accounts_receivable": D(100), "customer_prepayments": D(-100)}
    done = home.issue(MONTHS[3])
    assert (done.failed, done.held) == (set(), {})
    documents = home.documents()
    # 60 - 10 promo and 20 % tax: 60 of 100; 70 and tax: 84, of which 40 are left.
    told = [(one["total"], one.get("prepaid_applied"), one.get("amount_due")) for one in documents]
    assert told == [
        ("100.00", None, None),
        ("60.00", "60.00", "0.00"),
        ("84.00", "40.00", "44.00"),
        ("0.00", None, None),
    ]
    assert documents[2]["prepaid"] == [
        {"amount": "40", "contract": "acme-2026", "grant": "wallet", "granted_on": "2026-01-01"}
    ]
    assert ledger(home) == {
        "accounts_receivable": D(144),
        "customer_prepayments": D(0),
        "revenue": D(-120),
        "tax_payable": D(-24),
    }
    assert home.issue(MONTHS[3]).drafts == []
    assert [one.is_identical for one in rebuild(home.lake, None)] == [True] * 4


@pytest.mark.soak
def test_a_wallet_is_not_refilled_in_a_pause_nor_after_the_end_nor_taken_back_when_used(tmp_path):
    wallet = {"id": "wallet", "amount": "100", "kind": "paid"}
    wallet["recurs"] = {"every": 1, "unit": "month"}
    home = home_with(tmp_path / "home", wallet)
    documents = list(YAML(typ="safe").load_all(BOOK))
    contract = documents[-1] | {
        "modifiers": {"credits": [wallet]},
        "pauses": [{"from": date(2026, 1, 20), "until": date(2026, 2, 25)}],
        "cancellation": {"on": date(2026, 3, 10), "effective": "period_end"},
    }
    home.record(contract)
    home.land([use(1, 500)])
    for through in (MONTHS[0], MONTHS[1], date(2026, 5, 1)):
        settled(home, through)
    # Nothing on 1 February, in the pause, nor on 1 April, where its last month ends.
    assert billed(home) == {
        ("tokens", "usage", "2026-01-01"): D(50),
        ("wallet", "credit_sale", "2026-01-01"): D(100),
        ("wallet", "credit_sale", "2026-03-01"): D(100),
    }
    home.record(contract | {"modifiers": {"credits": [wallet | {"effective": date(2026, 3, 1)}]}})
    done = home.issue(date(2026, 5, 1))
    assert "takes back 100 of credit wallet" in done.held["acme-2026"]
    assert "60 more than is left of it" in done.held["acme-2026"]
    assert ledger(home)["customer_prepayments"] == D(-140)


@pytest.mark.soak
def test_a_part_of_a_period_in_which_nothing_was_measured_takes_nothing_back(tmp_path):
    documents = list(YAML(typ="safe").load_all(BOOK))
    meter, contract = documents[3], documents[-1]
    meter["aggregation"] = "latest"
    dear = {"model": "per_unit", "unit_amount": "0.20"}
    contract["items"][0]["prices"] = [{"from": date(2026, 1, 16), "price": dear}]
    home = home_with(tmp_path / "home")
    home.record(meter, contract)
    home.land([use(1, 500)])
    settled(home, MONTHS[1])
    assert billed(home) == {("tokens", "usage", "2026-01-01"): D(50)}
