"""Taxes by rules in runs: registrations, reverse charge, exemptions, corrections and rebuild."""

import json
from datetime import date
from decimal import Decimal

import pytest
from ruamel.yaml import YAML

from meterhouse.einvoice.cii import cii
from meterhouse.einvoice.terms import einvoice_of
from meterhouse.einvoice.ubl import ubl
from meterhouse.errors import BookFault
from meterhouse.run.close import close
from meterhouse.run.crediting import Request, credit
from meterhouse.run.exchange import RatesFault, import_rates
from meterhouse.run.rebuild import rebuild
from tests.einvoice.rules import broken_rules, schema_faults
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, SETTINGS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
D = Decimal
DAY = date(2026, 3, 10)
BOOK = """
kind: entity
id: nord
legal_name: Nord GmbH
address: {line1: Hafenstr. 1, city: Bremen, country: DE}
tax_ids: [{type: eu_vat, value: DE136695976}]
base_currency: EUR
zone: Europe/Berlin
approval: automatic
registrations: [{country: DE, number: DE136695976}]
---
kind: entity
id: wisla
legal_name: Wisla sp. z o.o.
address: {line1: Nad Wisla 1, city: Krakow, country: PL}
tax_ids: [{type: eu_vat, value: PL5260250995}]
base_currency: EUR
zone: Europe/Warsaw
approval: automatic
registrations: [{country: PL, number: PL5260250995}]
tax: {currency: PLN, rates: ecb}
---
{kind: tax_rule, id: pl-standard, name: VAT, country: PL, rate: "0.23"}
---
{kind: tax_rule, id: pl-books, name: VAT, country: PL, category: books, rate: "0.05"}
---
{kind: payment_terms, id: net14, net_days: 14}
---
{kind: tax_rule, id: de-standard, name: USt, country: DE, rate: "0.16"}
---
{kind: tax_rule, id: de-reduced, name: USt, country: DE, category: books, rate: "0.05"}
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
CUSTOMER = """
kind: customer
name: {id} AG
address: {{line1: Weg 1, city: Ort, country: {country}}}
email: bills@{id}.example
"""
CONTRACT = """
kind: contract
entity: nord
currency: EUR
zone: Europe/Berlin
start: 2026-01-01
payment_terms: net14
items:
  - {id: tokens, description: Tokens, meter: tokens, price: {model: per_unit, unit_amount: "0.01"}}
  - {id: list, description: Books, price: {model: flat, amount: "19.99"}, tax_category: books}
  - {id: more, description: More, price: {model: flat, amount: "0.49"}, tax_category: books}
"""
LINES = """
select item_id, is_correction, category, treatment, rate, base, tax from facts.line_taxes
join facts.billed_lines using (document_id, line_no)
where customer_id = ? order by number, line_no, tax_no
"""
ROWS = """
select treatment, country, rate, base, tax, certificate, base_currency, base_tax
from facts.document_taxes where customer_id = ? order by number, tax_no
"""
HELD = """
select lines.amount, lines.tax_included, taxes.tax, lines.is_correction
from facts.billed_lines as lines left join facts.line_taxes as taxes using (document_id, line_no)
where customer_id = ? order by lines.number, lines.line_no
"""
PARTIES = {
    "inland": {"country": "DE"},
    "abroad": {"country": "NL", "tax_ids": [{"type": "eu_vat", "value": "NL123456789B01"}]},
    "school": {"country": "DE", "exempt": None},
    "lapsed": {"country": "DE", "exempt": "2026-02-01"},
    "person": {"country": "NL"},
    "far": {"country": "JP"},
    # Its seller accounts for taxes in another currency.
    "sklep": {"country": "PL", "entity": "wisla", "zone": "Europe/Warsaw"},
    # Their prices hold the tax.
    "shop": {"country": "DE", "tax_inclusive": True},
    "till": {
        "country": "DE",
        "tax": {"treatment": "taxed", "rate": "0.19", "name": "USt"},
        "tax_inclusive": True,
    },
    "chosen": {"country": "JP", "tax": {"treatment": "taxed", "rate": "0.10", "name": "JCT"}},
}


def _party(id, country, exempt="", tax_ids=(), tax=None, **terms):
    customer = YAML(typ="safe").load(CUSTOMER.format(id=id, country=country)) | {"id": id}
    if exempt != "":
        one = {"certificate": "B-1", "country": "DE", "reason": "Section 4 no. 21 UStG"}
        customer["exemptions"] = [one | ({"until": exempt} if exempt else {})]
    if tax_ids:
        customer["tax_ids"] = list(tax_ids)
    if tax:
        customer["tax"] = tax
    contract = YAML(typ="safe").load(CONTRACT) | {"id": f"{id}-1", "customer": id, **terms}
    return [customer, contract]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two months issued; in between the rate rose, and January's usage came late."""
    path = tmp_path_factory.mktemp("taxes") / "home"
    path.mkdir()
    with (path / "meterhouse.yaml").open("w") as file:
        YAML().dump(SETTINGS, file)
    home = Home(path.resolve(), {})
    home.lake.create()
    documents = list(YAML(typ="safe").load_all(BOOK))
    for id, about in PARTIES.items():
        documents += _party(id, **about)
    home.record(*documents)
    measured = ("inland", "shop", "till", "sklep")
    (home.path / "rates.csv").write_text(RATES)
    import_rates(home.lake, home.path / "rates.csv", "ecb", "ecb")
    home.land([request(f"e1-{one}", one, "2026-01-10T12:00:00Z", 1005) for one in measured])
    first = home.issue(date(2026, 2, 1))
    raised = {"kind": "tax_rule", "id": "de-standard", "name": "USt", "country": "DE"}
    home.record(raised | {"rate": "0.19", "valid_from": date(2026, 2, 15)})
    home.land([request(f"e2-{one}", one, "2026-01-11T12:00:00Z", 100) for one in measured])
    home.land([request(f"e3-{one}", one, "2026-02-11T12:00:00Z", 200) for one in measured])
    second = home.issue(date(2026, 3, 1))
    return home, first, second


def contents(home, customer):
    texts = home.rows(
        "select content from facts.documents where customer_id = ? order by number", [customer]
    )
    return [json.loads(text) for (text,) in texts]


def rows_of(home, customer):
    return [tuple(row) for row in home.rows(ROWS, [customer])]


def test_each_category_is_taxed_at_its_rate_and_rounded_once_for_its_lines(home):
    found = [
        [(one["rate"], one["base"], one["amount"]) for one in content["tax"]]
        for content in contents(home[0], "inland")
    ]
    # Books for three months in advance: 5 % of 20.48 is 1.024; by line it would be 1.00 + 0.02.
    books = ("0.05", "20.48", "1.02")
    # 10.05 of January's tokens at 16 %. In March February's 2.00 are taxed at the rate of that day,
    # and 1.00 that came late for January at January's.
    assert found == [
        [books],
        [books, ("0.16", "10.05", "1.61")],
        [books, ("0.16", "1.00", "0.16"), ("0.19", "2.00", "0.38")],
    ]


def test_a_correction_is_taxed_at_the_rate_of_what_it_corrects(home):
    rows = [tuple(row) for row in home[0].rows(LINES, ["inland"])]
    corrected = [row[2:6] for row in rows if row[1]]
    assert corrected == [("standard", "taxed", D("0.16"), D("1.00"))]
    # Shares of lines add up to what the documents charge.
    assert sum(row[6] for row in rows) == sum(row[4] for row in rows_of(home[0], "inland"))


def test_reverse_charge_names_both_numbers_and_export_the_seller_s_country(home):
    [reason] = {one["tax"][0]["reason"] for one in contents(home[0], "abroad")}
    assert reason == (
        "Reverse charge: VAT is due from the customer, Article 196 of Directive 2006/112/EC "
        "(seller DE136695976, customer NL123456789B01)."
    )
    assert {row[:2] for row in rows_of(home[0], "abroad")} == {("reverse_charge", "NL")}
    assert {row[:2] for row in rows_of(home[0], "far")} == {("export", "JP")}
    assert {one["tax_total"] for one in contents(home[0], "far")} == {"0.00"}


def test_an_exemption_needs_a_certificate_in_force(home):
    assert {(row[0], row[4], row[5]) for row in rows_of(home[0], "school")} == {
        ("exempt", D(0), "B-1")
    }
    # January's document is of the first of January; the certificate ran out in February.
    assert [one["dates"]["invoice_date"] for one in contents(home[0], "lapsed")] == ["2026-01-01"]
    assert (
        "Certificate B-1 of customer lapsed has run out on 2026-02-01" in home[2].held["lapsed-1"]
    )


def test_nobody_is_taxed_at_zero_because_no_rule_was_found(home):
    assert contents(home[0], "person") == []
    assert home[1].held["person-1"].startswith("Entity nord is not registered for taxes in NL")


def test_a_decision_of_the_customer_comes_before_all_rules(home):
    content = contents(home[0], "chosen")[0]
    assert [(one["rate"], one["amount"]) for one in content["tax"]] == [("0.1", "2.05")]
    assert not any("tax" in line for line in content["lines"])
    assert "jurisdiction" not in content["tax"][0]


def test_a_customer_pays_the_price_where_prices_hold_the_tax(home):
    # Tax of what is shown: 5 % of books (20.48), January's tokens (10.05, and 1.00 that came late)
    # at 16 %, February's 2.00 at 19 %, each 100 + rate parts of the price.
    sums = [(one["net"], one["tax_total"], one["total"]) for one in contents(home[0], "shop")]
    assert sums == [
        ("19.50", "0.98", "20.48"),
        ("28.16", "2.37", "30.53"),
        ("22.04", "1.44", "23.48"),
    ]
    # The customer's own decision taxes all of it at 19 %, once for a document.
    sums = [(one["net"], one["tax_total"], one["total"]) for one in contents(home[0], "till")]
    assert sums == [
        ("17.21", "3.27", "20.48"),
        ("25.66", "4.87", "30.53"),
        ("19.73", "3.75", "23.48"),
    ]
    ruled, chosen = (home[0].rows(HELD, [one]) for one in ("shop", "till"))
    assert all(held == tax for _, held, tax, _ in ruled)
    assert {tax for _, _, tax, _ in chosen} == {None}
    for rows in (ruled, chosen):
        assert [amount + held for amount, held, _, late in rows if late] == [D("1.00")]
        assert sum(amount + held for amount, held, _, _ in rows) == D("74.49")


def test_a_bill_says_what_its_prices_hold(home):
    [line] = [one for one in contents(home[0], "shop")[1]["lines"] if one["item"] == "tokens"]
    assert (line["unrounded"], line["amount"], line["tax_included"]) == (
        "10.050000000000000000", "8.66", "1.39",
    )  # fmt: skip
    assert line["steps"][0]["unit_amount"] == "0.01"
    [late] = [one for one in contents(home[0], "shop")[2]["lines"] if one["correction"]]
    assert (late["correction"]["desired"], late["correction"]["already_billed"]) == (
        "11.05", "10.05",
    )  # fmt: skip
    assert (late["amount"], late["tax_included"]) == ("0.86", "0.14")


def test_taxes_of_documents_are_what_documents_and_the_journal_say(home):
    home = home[0]
    other = home.rows(
        "select number from facts.documents as documents where tax <> ("
        "select sum(tax) from facts.document_taxes as own "
        "where own.document_id = documents.document_id and (own.base_tax = own.tax "
        "or own.fx_source is not null))"
    )
    assert other == []
    [(posted,)] = home.rows(
        "select sum(credit - debit) from facts.journal_lines where account = 'tax_payable'"
    )
    assert [(posted,)] == home.rows("select sum(tax) from facts.document_taxes")


@pytest.mark.parametrize(
    ("customer", "categories"),
    [
        ("inland", {"S"}),
        ("shop", {"S"}),
        ("sklep", {"S"}),
        ("till", {"S"}),
        ("abroad", {"AE"}),
        ("school", {"E"}),
        ("far", {"G"}),
    ],
)
def test_e_invoices_have_a_group_of_each_rate_and_pass_the_official_rules(
    home, customer, categories
):
    for content in contents(home[0], customer):
        document = einvoice_of(content)
        assert {one.category for one in document.taxes} == categories
        assert len({(one.category, one.percent) for one in document.taxes}) == len(document.taxes)
        for group in range(len(document.taxes)):
            net = sum(line.net for line in document.lines if line.group == group)
            assert net == document.taxes[group].base
        for syntax, write in {"ubl": ubl, "cii": cii}.items():
            data = write(document)
            assert (schema_faults(data), broken_rules(syntax, data)) == ([], [])


def test_every_document_is_made_again_to_the_byte(home):
    assert [one for one in rebuild(home[0].lake, None) if not one.is_identical] == []


# The bank publishes on working days; 31 January 2026 and 1 March 2026 are of weekends.
RATES = """Date,USD,PLN,ROL,
2026-02-27,1.0432,4.1718,N/A,
2026-01-30,1.0389,4.2130,N/A,
2025-12-31,1.0389,4.2750,N/A,
"""
ACCRUED = """
select customer_id, sum(debit - credit) from facts.journal_lines
join facts.journal_entries using (entry_id)
where account = 'unbilled_receivable' and event = 'usage.accrued' group by all order by all
"""


def test_notes_take_back_the_price_and_a_close_accrues_what_is_left_without_tax(home, tmp_path):
    home = home[0].copy(tmp_path / "home")
    for customer in ("shop", "till", "sklep"):
        number, total = home.rows(
            "select number, total from facts.documents where customer_id = ? order by number",
            [customer],
        )[1]
        part = credit(home.lake, Request(number, "goodwill", amount=D("5.00"), on=DAY))
        rest = credit(home.lake, Request(number, "all of it", on=DAY))
        assert (part.net, part.total + rest.total) == (D("-5.00"), -total)
    # What people credited is not billed back, though it is compared with prices that hold tax.
    assert home.issue(date(2026, 3, 1)).issued.numbers == ()
    assert [one.number for one in rebuild(home.lake, None) if not one.is_identical] == []
    close(home.lake, date(2026, 3, 1))
    # 2.00 of February, and 1.00 that came late for January, are on documents of the first of March:
    # 1.68 + 0.86 at their two rates, and 3.00 less 0.48 at one.
    assert home.rows(ACCRUED) == [
        ("inland", D(3)), ("shop", D("2.54")), ("sklep", D(3)), ("till", D("2.52")),
    ]  # fmt: skip
    # Notes tell their tax at the rate of what they take back.
    [told] = {
        tuple(note["tax_accounting"][name] for name in ("currency", "rate", "date"))
        for note in contents(home, "sklep")
        if note["kind"] == "credit_note"
    }
    assert told == ("PLN", "4.213", "2026-01-30")


def test_taxes_are_told_in_the_currency_in_which_the_seller_accounts_for_them(home):
    told = [one["tax_accounting"] for one in contents(home[0], "sklep")]
    # January's tax is 5 % of 20.48, so 1.02 times 4.275. In February that and 23 % of 10.05, so
    # 2.31, each row rounded by itself; in March 23 % of 3.00 beside the books.
    assert [(one["date"], one["rate"], [row["amount"] for row in one["rows"]]) for one in told] == [
        ("2025-12-31", "4.275", ["4.36"]),
        ("2026-01-30", "4.213", ["4.30", "9.73"]),
        ("2026-02-27", "4.1718", ["4.26", "2.88"]),
    ]
    assert [one["tax_total"] for one in told] == ["4.36", "14.03", "7.14"]
    assert {(one["currency"], one["source"]) for one in told} == {("PLN", "ecb")}
    assert home[0].rows(
        "select base_currency, fx_rate, fx_on, fx_source, base_tax from facts.document_taxes "
        "where customer_id = 'sklep' order by number, tax_no limit 1"
    ) == [("PLN", D("4.275"), date(2025, 12, 31), "ecb", D("4.36"))]
    for number, one in enumerate(contents(home[0], "sklep")):
        [document] = [einvoice_of(one)]
        assert document.tax_told == ("PLN", D(told[number]["tax_total"]))


@pytest.mark.soak
def test_without_a_rate_a_document_waits_and_a_restated_one_is_for_documents_to_come(
    home, tmp_path
):
    home = home[0].copy(tmp_path / "home")
    said = home.issue(date(2026, 4, 1)).held["sklep-1"]
    assert said == (
        "The newest rate from EUR to PLN of source ecb before 2026-04-01 is of 2026-02-27, more "
        "than 5 days earlier; import one with `meterhouse rates import`, then run again."
    )
    file = tmp_path / "more.csv"
    file.write_text("date,base,quote,rate\n2026-03-31,EUR,PLN,4.2\n2026-02-27,EUR,PLN,5\n")
    with pytest.raises(RatesFault, match=r"the file says 5, and 4\.1718 is on record"):
        import_rates(home.lake, file, "ecb", "csv")
    done = import_rates(home.lake, file, "ecb", "csv", restate=True)
    assert (done.new, done.known, done.restated) == (1, 0, 1)
    assert import_rates(home.lake, file, "ecb", "csv").known == 2
    home.issue(date(2026, 4, 1))
    assert contents(home, "sklep")[-1]["tax_accounting"]["rate"] == "4.2"
    # What was issued at the rate of before is made again with it.
    assert [one.number for one in rebuild(home.lake, None) if not one.is_identical] == []


def test_amounts_cannot_begin_to_hold_their_taxes(home, tmp_path):
    home = home[0].copy(tmp_path / "home")
    changed = home.changed("contract", "inland-1", tax_inclusive=True)
    with pytest.raises(BookFault, match="recorded without their taxes and are now with them"):
        home.record(changed)
