"""Documents as e-invoices: the official rules find nothing, and what they lack is told."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.einvoice.cii import cii
from meterhouse.einvoice.pieces import pieces_of, shared
from meterhouse.einvoice.terms import NotAnEinvoice, einvoice_of
from meterhouse.einvoice.ubl import ubl
from tests.einvoice.rules import broken_rules, schema_faults

GOLDEN = Path(__file__).parents[1] / "golden" / "test_book.ndjson"
PUBLISHED = Path(__file__).parent / "published"
SYNTAXES = {"ubl": ubl, "cii": cii}
CENT = Decimal("0.01")
SELLER = {
    "address": {"line1": "Hafenstr. 1", "line2": "2. OG", "city": "Bremen"}
    | {"postal_code": "28217", "region": None, "country": "DE"},
    "bank": {"account_name": "Nord GmbH", "iban": "DE89370400440532013000", "bic": "COBADEFFXXX"},
    "id": "nord",
    "legal_name": "Nord & Söhne GmbH",
    "tax_ids": [
        {"type": "eu_vat", "value": "DE 136695976"},
        {"type": "de_hrb", "value": "HRB 1234"},
    ],
}
BUYER = {
    "address": {"line1": "Gracht 5", "line2": None, "city": "Utrecht"}
    | {"postal_code": "3511", "region": None, "country": "NL"},
    "email": "bills@buyer.example",
    "id": "buyer",
    "name": "Buyer <B&V>",
    "tax_ids": [{"type": "eu_vat", "value": "NL123456789B01"}],
}
TREATMENTS = {
    "standard": {"rate": "0.19", "treatment": "taxed", "name": "USt", "reason": None},
    "zero": {"rate": "0", "treatment": "taxed", "name": "VAT", "reason": None},
    "exempt": {"rate": None, "treatment": "exempt", "name": None, "reason": "Section 4 no. 8"},
    "reverse": {"rate": None, "treatment": "reverse_charge", "name": None, "reason": "Article 196"},
    "outside": {"rate": None, "treatment": "out_of_scope", "name": None, "reason": "Not taxable"},
}


def line(number, amount, **fields):
    """A fee of one month, unless the fields say otherwise."""
    return {
        "amount": amount,
        "component": "fee",
        "correction": None,
        "description": f"Line {number}",
        "dimensions": {},
        "item": f"item-{number}",
        "line_no": number,
        "meter": None,
        "price": {"model": "flat", "amount": amount},
        "quantity": "1.000000000000",
        "service": {"start": "2026-02-01", "end": "2026-03-01", "zone": "UTC"},
        "steps": [],
        "unrounded": f"{amount}0000000000000000",
        **fields,
    }


TIERED = line(
    2,
    "62.92",
    description="Tokens",
    meter={"id": "tokens", "unit": "token", "version": 1},
    quantity="10007.000000000000",
    dimensions={"kind": "input"},
    price={"model": "graduated"},
    unrounded="62.923310000000000000",
    steps=[
        {"step": "tier", "quantity": "1000", "unit_amount": "0.01", "flat_amount": "5"}
        | {"amount": "15", "from": "0", "to": "1000"},
        {"step": "tier", "quantity": "4000", "unit_amount": "0.0075", "flat_amount": "0"}
        | {"amount": "30", "from": "1000", "to": "5000"},
        {"step": "tier", "quantity": "5007", "unit_amount": "0.00333", "flat_amount": "1.25"}
        | {"amount": "17.92331", "from": "5000", "to": None},
    ],
)
DISCOUNT = line(3, "-6.29", component="discount", price=None)


FEE = line(1, "500.00")


def document(treatment="standard", lines=(FEE, TIERED, DISCOUNT), **fields):
    net = sum(Decimal(one["amount"]) for one in lines)
    decision = TREATMENTS[treatment]
    tax = (net * Decimal(decision["rate"] or 0)).quantize(CENT)
    return {
        "buyer": BUYER,
        "currency": "EUR",
        "dates": {"due_date": "2026-03-31", "invoice_date": "2026-03-01"},
        "issue": {"number": "nord-2026-000001"},
        "kind": "invoice",
        "lines": list(lines),
        "net": str(net),
        "purchase_order": "PO-77",
        "seller": SELLER,
        "tax": [{**decision, "base": str(net), "amount": str(tax)}],
        "tax_total": str(tax),
        "terms": {"description": "Net 30", "id": "net30", "net_days": 30},
        "total": str(net + tax),
        **fields,
    }


def corrected(number, amount):
    told = {"original_number": "nord-2026-000001", "original_date": "2026-03-01"}
    return line(number, amount, correction={**told, "already_billed": "9.00", "desired": "0.00"})


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize("kind", ["invoice", "credit_note"])
def test_the_official_rules_find_nothing(syntax, treatment, kind):
    lines = [FEE, TIERED, DISCOUNT]
    if kind == "credit_note":
        lines = [corrected(1, "-9.00"), line(2, "1.50")]
    data = SYNTAXES[syntax](einvoice_of(document(treatment, lines, kind=kind)))
    assert schema_faults(data) == []
    assert broken_rules(syntax, data) == []


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_document_without_order_bank_or_due_date_passes_too(syntax):
    bare = document(
        seller={**SELLER, "bank": None, "tax_ids": SELLER["tax_ids"][:1]},
        purchase_order=None,
        dates={"due_date": "2026-03-01", "invoice_date": "2026-03-01"},
    )
    data = SYNTAXES[syntax](einvoice_of(bare))
    assert (schema_faults(data), broken_rules(syntax, data)) == ([], [])


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_documents_of_the_test_book_pass(syntax):
    found = [json.loads(text) for text in GOLDEN.read_text("utf-8").splitlines()]
    found = [content for content in found if content["currency"] != "KWD"]
    assert len(found) > 10
    country = {"line1": "1 Main St", "city": "Town", "postal_code": "1", "country": "US"}
    for place, content in enumerate(found):
        content["issue"] = {"number": f"book-{place}"}
        content["buyer"]["address"] = content["buyer"]["address"] or country
        for party in (content["buyer"], content["seller"]):
            party["tax_ids"] = [{"type": "eu_vat", "value": "DE136695976"}]
        data = SYNTAXES[syntax](einvoice_of(content))
        assert (schema_faults(data), broken_rules(syntax, data)) == ([], [])


def test_the_rules_find_what_is_published_of_them():
    published = json.loads((PUBLISHED / "expected.json").read_text())
    found = {
        one["file"]: broken_rules("ubl", (PUBLISHED / one["file"]).read_bytes())
        for one in published
    }
    assert found == {one["file"]: one["en16931_1_3_16"] for one in published}


def test_what_a_document_lacks_is_told_at_once():
    lacking = document(
        "reverse",
        issue=None,
        buyer={**BUYER, "address": None, "tax_ids": []},
        seller={**SELLER, "tax_ids": []},
        currency="KWD",
    )
    with pytest.raises(NotAnEinvoice) as refused:
        einvoice_of(lacking)
    assert len(refused.value.faults) == 5


def test_a_sale_of_prepaid_credit_is_no_einvoice_and_what_it_pays_is_not_due():
    sale = document()
    sale["tax"][0]["base"] = "0.00"
    with pytest.raises(NotAnEinvoice, match="sells prepaid credit"):
        einvoice_of(sale)
    paid = einvoice_of(document(prepaid_applied="100.00"))
    assert paid.payable == paid.gross - 100
    for syntax, write in SYNTAXES.items():
        data = write(paid)
        assert (schema_faults(data), broken_rules(syntax, data)) == ([], [])


def test_a_line_over_tiers_is_a_piece_for_each_price_and_adds_up_to_the_cent():
    pieces = pieces_of(TIERED, CENT)
    told = [(str(p.quantity), str(p.price), str(p.net)) for p in pieces]
    assert told == [
        ("1000", "0.01", "10.00"),
        ("1", "5", "5.00"),
        ("4000", "0.0075", "30.00"),
        ("5007", "0.00333", "16.67"),
        ("1", "1.25", "1.25"),
    ]


def test_a_correction_is_its_difference_and_not_what_its_steps_come_to():
    late = {**TIERED, "amount": "12.92"}
    assert [(p.quantity, p.price, p.net) for p in pieces_of(late, CENT)] == [
        (Decimal(1), Decimal("12.92"), Decimal("12.92"))
    ]


@given(st.lists(st.decimals(0, 1000, places=6), min_size=1, max_size=9))
def test_parts_of_a_rounded_sum_are_near_and_add_up(exact):
    total = sum(exact).quantize(CENT)
    parts = shared(total, exact, CENT)
    assert sum(parts) == total
    assert all(abs(part - one) < CENT for part, one in zip(parts, exact, strict=True))


def test_a_credit_note_credits_what_the_document_subtracts_and_names_the_invoice():
    found = einvoice_of(document(lines=[corrected(1, "-9.00")], kind="credit_note"))
    assert (found.kind, found.net, found.lines[0].net) == ("381", Decimal(9), Decimal(9))
    assert [number for number, _ in found.preceding] == ["nord-2026-000001"]
    assert b"<cbc:CreditedQuantity" in ubl(found)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_same_document_gives_the_same_bytes_with_every_text_escaped(syntax):
    data = SYNTAXES[syntax](einvoice_of(document()))
    assert data == SYNTAXES[syntax](einvoice_of(document()))
    assert b"Buyer &lt;B&amp;V&gt;" in data
