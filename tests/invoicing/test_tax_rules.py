"""Taxes by rules: the table of docs/tax.md, held figure by figure, and what blocks."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from meterhouse.invoicing import tax_rules
from meterhouse.invoicing.tax_rules import TaxBook
from meterhouse.invoicing.taxed_lines import by_document, decided, in_base, line_tax
from meterhouse.money import AMOUNT

PAGE = (Path(__file__).parents[2] / "docs" / "tax.md").read_text()
D = Decimal
DAY = date(2026, 3, 1)
GST = {"country": "CA", "name": "GST", "rate": D("0.05"), "place": 1}
QST = {"country": "CA", "region": "QC", "name": "QST", "rate": D("0.09975"), "place": 2}
PST = {"country": "CA", "region": "BC", "name": "PST", "rate": D("0.07"), "place": 2}
VAT = {"country": "DE", "name": "VAT", "rate": D("0.19")}
OLD = VAT | {"rate": D("0.16"), "until_on": date(2026, 2, 15)}
NEW = VAT | {"from_on": date(2026, 2, 15)}
BOOKS = VAT | {"category": "books", "rate": D("0.07")}
LESSONS = VAT | {"category": "lessons", "treatment": "exempt", "rate": D(0), "reason": "Lessons"}
FREE = VAT | {"category": "solar", "rate": D(0)}
CA = [{"country": "CA"}, {"country": "CA", "region": "QC"}, {"country": "CA", "region": "BC"}]
DE = [{"country": "DE", "number": "DE1"}]
CERTIFICATE = {"certificate": "C-1", "country": "CA", "region": "BC", "reason": "Resale"}

# What each case of the page is made of; its figures are on the page.
CASES = {
    "one rate": ([VAT], DE, {"country": "DE"}, {}, ()),
    "two categories": ([VAT, BOOKS], DE, {"country": "DE"}, {}, ()),
    "two taxes": ([GST, PST], CA, {"country": "CA", "region": "BC"}, {}, ()),
    "compound": (
        [GST, QST | {"is_compound": True}], CA, {"country": "CA", "region": "QC"}, {}, (),
    ),
    "country only": ([GST, PST], CA[:1], {"country": "CA", "region": "BC"}, {}, ()),
    "exempt in a region": (
        [GST, PST], CA, {"country": "CA", "region": "BC"}, {}, (CERTIFICATE,),
    ),
    "exempt category": ([VAT, LESSONS], DE, {"country": "DE"}, {}, ()),
    "zero rate": ([VAT, FREE], DE, {"country": "DE"}, {}, ()),
    "reverse charge": ([VAT], DE, {"country": "FR", "buyer_vat": "FR2"}, {}, ()),
    "export": ([VAT], DE, {"country": "US", "region": "OR"}, {}, ()),
    "rounded by line": ([VAT], DE, {"country": "DE"}, {"rounding": "line"}, ()),
    "day of the document": ([OLD, NEW], DE, {"country": "DE"}, {}, ()),
    "day of the service": ([OLD, NEW], DE, {"country": "DE"}, {"point": "service_end"}, ()),
    "half to even": ([FREE | {"category": "standard", "rate": D("0.05")}], DE, {"country": "DE"},
                     {"mode": "half_even"}, ()),
}  # fmt: skip


def frame(schema, rows, **defaults):
    made = [dict.fromkeys(schema) | defaults | row for row in rows]
    return pl.DataFrame(made, schema=dict(schema))


def book(rules, registrations, buyer, options, exemptions=(), categories=(), originals=()):
    seller = {"rounding": "invoice_per_rate", "mode": "half_up", "point": "invoice_date"}
    seller |= {"entity_id": "us", "seller_country": registrations[0]["country"]}
    seller |= {"seller_vat": registrations[0].get("number")}
    rule = {"category": "standard", "treatment": "taxed", "is_compound": False, "place": 1}
    named = [{"contract_id": "k", "item_id": one, "category": one} for one in categories]
    return TaxBook(
        frame(tax_rules.RULES, rules, **rule),
        frame(tax_rules.REGISTRATIONS, registrations, entity_id="us"),
        frame(tax_rules.SELLERS, [seller | options]),
        frame(tax_rules.BUYERS, [buyer], customer_id="acme"),
        frame(tax_rules.EXEMPTIONS, exemptions, customer_id="acme"),
        frame(tax_rules.CATEGORIES, named),
        frame(tax_rules.ORIGINALS, originals),
    )


def document(lines, ends=DAY):
    """One draft with lines of (category, amount), and what rules make of it."""
    head = {"draft_id": "d", "entity_id": "us", "customer_id": "acme", "currency": "EUR"}
    amounts = [D(amount) for _, amount in lines]
    head |= {"invoice_date": DAY, "tax_treatment": None, "net": sum(amounts)}
    head |= {"tax": None, "total": None}
    types = {"net": AMOUNT, "tax": AMOUNT, "total": AMOUNT, "tax_treatment": pl.String}
    rows = [
        {"draft_id": "d", "line_no": number, "contract_id": "k", "item_id": category}
        | {"line_key": f"k{number}", "is_correction": False, "window_end_on": ends}
        | {"amount": D(amount), "role": "fee", "component": "fee", "dimensions": "{}"}
        | {"is_inclusive": False}
        for number, (category, amount) in enumerate(lines, 1)
    ]
    return pl.DataFrame([head], schema_overrides=types), pl.DataFrame(
        rows, schema_overrides={"amount": AMOUNT}
    )


def table():
    """Cases of the page: name, lines, rows of the document, total."""
    cells = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in PAGE.splitlines()
        if line.startswith("| ") and line.count("|") == 5
    ]
    return {name: (lines, rows, total) for name, lines, rows, total in cells[1:]}


def test_the_page_and_this_file_have_the_same_cases():
    assert set(table()) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_case_of_the_page_comes_out_as_it_says(name):
    lines, rows, total = table()[name]
    asked = [tuple(reversed(one.split(" "))) for one in lines.split(", ")]
    rules, registrations, buyer, options, exemptions = CASES[name]
    categories = {category for category, _ in asked}
    made = decided(
        *document(asked, ends=date(2026, 2, 1)),
        book(rules, registrations, buyer, options, exemptions, sorted(categories)),
    )
    [head] = made.heads.to_dicts()
    assert head["tax_fault"] is None
    told = [
        f"{_short(one['base'])} {one['name'] or one['treatment'].replace('_', ' ')} "
        f"{_short(one['rate'] * 100)} %: {_short(one['tax'])}"
        + (f" ({one['treatment']})" if one["name"] and one["treatment"] != "taxed" else "")
        for one in by_document(made.lines).to_dicts()
    ]
    assert told == re.split(r"; ", rows)
    assert _short(head["total"]) == total
    # The shares of lines add up to the rows, and the rows to the tax.
    assert made.lines["tax"].sum() == head["tax"] == head["total"] - head["net"]


def _short(value):
    text = format(value.normalize(), "f")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.ljust(2, '0')}"


def fault(rules, registrations, buyer, exemptions=(), category="standard"):
    made = decided(
        *document([(category, "10.00")]),
        book(rules, registrations, buyer, {}, exemptions, [category]),
    )
    [head] = made.heads.to_dicts()
    assert (head["tax"], head["total"], made.lines.height) == (None, None, 0)
    return head["tax_fault"]


def test_what_no_rule_decides_is_a_sentence_and_never_zero():
    assert "Entity us is not registered for taxes in DE" in fault([VAT], CA, {"country": "DE"})
    assert "No tax rule of DE for category games holds on 2026-03-01" in fault(
        [VAT], DE, {"country": "DE"}, category="games"
    )
    assert "Customer acme has no address" in fault([VAT], DE, {})
    # A national rule does not stand for a region in which the entity is registered, too.
    assert "No tax rule of CA-BC for category standard" in fault(
        [GST, QST], CA, {"country": "CA", "region": "BC"}
    )
    # Without a VAT number of its own a buyer in another state is no business.
    assert "is not registered for taxes in FR" in fault([VAT], DE, {"country": "FR"})
    assert "is not registered for taxes in FR" in fault(
        [VAT], DE, {"country": "FR", "buyer_vat": "DE9"}
    )
    ran_out = CERTIFICATE | {"until_on": DAY}
    buyer = {"country": "CA", "region": "BC"}
    assert "Certificate C-1 of customer acme has run out on 2026-03-01" in fault(
        [GST, PST], CA, buyer, (ran_out,)
    )


def test_a_correction_is_taxed_as_what_it_corrects_whatever_holds_now():
    before = {"line_key": "k1", "category": "standard", "treatment": "taxed", "country": "DE"}
    before |= {"name": "VAT", "rate": D("0.16"), "is_compound": False, "place": 1}
    heads, lines = document([("standard", "-100.00"), ("standard", "50.00")])
    lines = lines.with_columns(is_correction=pl.col("line_no") == 1)
    known = book([VAT], DE, {"country": "DE"}, {}, categories=["standard"], originals=[before])
    made = decided(heads, lines, known)
    assert by_document(made.lines).select("rate", "base", "tax").rows() == [
        (D("0.16"), D(-100), D(-16)),
        (D("0.19"), D(50), D("9.5")),
    ]


def test_a_decision_of_the_customer_and_sold_credit_are_left_alone():
    heads, lines = document([("standard", "10.00")])
    chosen = heads.with_columns(tax_treatment=pl.lit("exempt"), tax=pl.lit(0).cast(AMOUNT))
    known = book([VAT], DE, {"country": "DE"}, {})
    made = decided(chosen, lines, known)
    assert made.heads.select("tax", "is_ruled").rows() == [(D(0), False)]
    assert made.lines.is_empty()
    sold = lines.with_columns(role=pl.lit("credit_sale"))
    assert decided(heads, sold, known).heads.select("tax", "total").rows() == [(D(0), D(10))]


def test_shares_of_lines_add_up_to_the_tax_of_a_document_without_rules():
    documents = pl.DataFrame(
        {"document_id": ["d"], "currency": ["EUR"], "tax": [D("0.20")]},
        schema_overrides={"tax": AMOUNT},
    )
    lines = pl.DataFrame(
        {
            "document_id": ["d"] * 4,
            "line_no": [1, 2, 3, 4],
            "role": ["fee", "fee", "usage", "credit_sale"],
            "amount": [D("0.33"), D("0.33"), D("0.34"), D(100)],
            "tax_included": [None] * 4,
        },
        schema_overrides={"amount": AMOUNT, "tax_included": AMOUNT},
    )
    shares = line_tax(documents, lines)
    assert shares["tax"].to_list() == [D("0.07"), D("0.06"), D("0.07"), D(0)]
    known = pl.DataFrame(
        {"document_id": ["d"], "line_no": [2], "tax": [D("0.20")]},
        schema_overrides={"tax": AMOUNT},
    )
    assert line_tax(documents, lines, known)["tax"].to_list() == [D(0), D("0.20"), D(0), D(0)]


def test_the_currency_of_the_entity_has_places_of_its_own():
    rows = pl.DataFrame(
        {"base": [D("20.48")], "tax": [D("1.02")], "base_currency": ["JPY"], "rate": [D("163.5")]},
        schema_overrides={"base": AMOUNT, "tax": AMOUNT, "rate": AMOUNT},
    )
    told = in_base(rows, pl.col("rate")).select("base_amount", "base_tax").row(0)
    # 20.48 x 163.5 = 3348.48; 1.02 x 163.5 = 166.77.
    assert told == (D(3348), D(167))
