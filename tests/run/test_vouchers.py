"""Money that is taxed when it is sold: its sale, what it pays before tax, and its entries."""

import json
from datetime import date
from decimal import Decimal

import pytest
from ruamel.yaml import YAML

from meterhouse.einvoice.cii import cii
from meterhouse.einvoice.terms import einvoice_of
from meterhouse.run.close import close
from meterhouse.run.crediting import Request, credit
from meterhouse.run.rebuild import rebuild
from tests.einvoice.rules import broken_rules, schema_faults
from tests.run.test_taxes import BOOK, CUSTOMER
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, SETTINGS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
D = Decimal
CONTRACT = """
kind: contract
id: card-1
customer: card
entity: nord
currency: EUR
zone: Europe/Berlin
start: 2026-01-01
payment_terms: net14
items:
  - {id: tokens, description: Tokens, meter: tokens, price: {model: per_unit, unit_amount: "0.01"}}
modifiers:
  credits:
    - {id: gift, description: Gift, amount: "5"}
    - {id: card, description: Card, amount: "100", kind: paid, taxed: at_sale}
"""
LINES = """
select role, amount from facts.billed_lines where number = ? order by line_no
"""
ACCOUNTS = """
select account, sum(credit - debit) from facts.journal_lines join facts.journal_entries
using (entry_id) where event = 'document.issued' group by all order by all
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """January's usage is 60.00, and 10.00 of it come in February, which has 70.00."""
    path = tmp_path_factory.mktemp("vouchers") / "home"
    path.mkdir()
    with (path / "meterhouse.yaml").open("w") as file:
        YAML().dump(SETTINGS, file)
    home = Home(path.resolve(), {})
    home.lake.create()
    customer = YAML(typ="safe").load(CUSTOMER.format(id="card", country="DE")) | {"id": "card"}
    book = [*YAML(typ="safe").load_all(BOOK), customer, YAML(typ="safe").load(CONTRACT)]
    home.record(*book)
    home.land([request("e1", "card", "2026-01-10T12:00:00Z", 5000)])
    first = home.issue(date(2026, 2, 1))
    home.land([request("e2", "card", "2026-01-11T12:00:00Z", 1000)])
    home.land([request("e3", "card", "2026-02-11T12:00:00Z", 7000)])
    second = home.issue(date(2026, 3, 1))
    assert (first.failed, first.held, second.failed, second.held) == (set(), {}, set(), {})
    return home


def documents(home):
    rows = home.rows("select number, content from facts.documents order by number")
    return {number: json.loads(text) for number, text in rows}


def test_the_sale_is_taxed_and_what_it_pays_is_not_taxed_again(home):
    told = documents(home)
    sums = [(one["net"], one["tax_total"], one["total"]) for one in told.values()]
    # The sale with 16 %; 50.00 of usage, of which the gift pays 5.00 and the card 45.00; then 10.00
    # more of January and 70.00, of which the card has 55.00 left.
    assert sums == [("100.00", "16.00", "116.00"), ("0.00", "0.00", "0.00"),
                    ("25.00", "4.00", "29.00")]  # fmt: skip
    found = [[tuple(row) for row in home.rows(LINES, [number])] for number in told]
    assert found[0] == [("voucher_sale", D(100))]
    assert sorted(found[1]) == [("credit", D(-5)), ("usage", D(50)), ("voucher", D(-45))]
    assert sum(amount for role, amount in found[2] if role == "voucher") == D(-55)


def test_what_was_sold_is_owed_until_it_pays_and_revenue_is_what_was_used(home):
    sums = dict(home.rows(ACCOUNTS))
    assert sums["prepaid_credits"] == 0
    assert sums["revenue"] == D(125)
    assert sums["tax_payable"] == D(20)
    assert sums["accounts_receivable"] == D(-145)


def test_documents_are_made_again_and_are_e_invoices(home):
    assert [one.number for one in rebuild(home.lake, None) if not one.is_identical] == []
    for content in documents(home).values():
        data = cii(einvoice_of(content))
        assert (schema_faults(data), broken_rules("cii", data)) == ([], [])


def test_a_note_gives_the_card_back_what_it_paid_and_a_close_accrues_what_is_used(home, tmp_path):
    home = home.copy(tmp_path / "home")
    (_, second, _) = documents(home)
    note = credit(home.lake, Request(second, "all of it", on=date(2026, 3, 10)))
    assert note.total == 0
    assert dict(home.rows(ACCOUNTS))["prepaid_credits"] == D(45)
    home.land([request("e4", "card", "2026-03-05T12:00:00Z", 900)])
    home.draft(date(2026, 4, 1))
    close(home.lake, date(2026, 4, 1))
    [(accrued,)] = home.rows(
        "select sum(debit - credit) from facts.journal_lines join facts.journal_entries "
        "using (entry_id) where account = 'unbilled_receivable' and event = 'usage.accrued'"
    )
    assert accrued == D(9)
