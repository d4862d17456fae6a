import json
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.invoicing.difference import difference
from meterhouse.invoicing.document import canonical, issued

FEB, MAR, APR = (date(2024, month, 1) for month in (2, 3, 4))
HOSTILE = '","kind":"x\\"\n\t\x00\x1f\x7f\u2028é😀{}[]'

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.fixture(scope="session")
def contents(drafted, customers, entities, meters):
    def make(*rows, billed=None, **customer):
        given_billed = {} if billed is None else {"billed": billed}
        made = drafted(*rows, **given_billed, **customer)
        return canonical(*made, customers(**customer), entities, meters)

    return make


def is_canonical(content):
    again = json.dumps(
        json.loads(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return again == content


def test_a_whole_document_reads_as_it_should(contents, window, parsed):
    made = contents(window(Decimal("1.0051"), FEB, MAR, quantity=Decimal("502.55")))
    assert made["content_hash"].to_list() == [sha256_text(made["content"][0])]
    (document,) = parsed(made)
    line_key = document["lines"][0].pop("line_key")
    assert len(line_key) == 32
    assert document == {
        "buyer": {
            "address": {"city": "Köln", "country": "DE", "line1": 'A\\B "1"'},
            "email": "bills@acme.example",
            "id": "acme",
            "name": 'Acme "Röhren" GmbH',
            "tax_ids": [{"type": "eu_vat", "value": "DE2"}],
        },
        "currency": "EUR",
        "dates": {"due_date": "2024-03-31", "invoice_date": "2024-03-01"},
        "kind": "invoice",
        "lines": [
            {
                "amount": "1.01",
                "component": "usage",
                "contract": "con",
                "correction": None,
                "description": "API calls",
                "determinant": "det",
                "dimensions": {},
                "item": "calls",
                "line_no": 1,
                "meter": {"id": "calls", "unit": "call", "version": 1},
                "price": {"model": "per_unit", "per": "1", "unit_amount": "0.002"},
                "quantity": "502.550000000000",
                "service": {
                    "end": "2024-03-01",
                    "end_at": "2024-03-01T00:00:00Z",
                    "start": "2024-02-01",
                    "start_at": "2024-02-01T00:00:00Z",
                    "zone": "UTC",
                },
                "steps": [],
                "unrounded": "1.005100000000000000",
            }
        ],
        "net": "1.01",
        "purchase_order": None,
        "seller": {
            "address": {"city": "Bonn", "country": "DE", "line1": "1"},
            "bank": None,
            "id": "ent",
            "legal_name": "Meter & Söhne \\ Ltd",
            "tax_ids": [{"type": "vat", "value": "DE1"}],
        },
        "tax": [
            {
                "amount": "0.19",
                "base": "1.01",
                "name": "USt",
                "rate": "0.19",
                "reason": None,
                "treatment": "taxed",
            }
        ],
        "tax_total": "0.19",
        "terms": {"description": "30 days", "id": "net30", "net_days": 30},
        "total": "1.20",
    }


def test_a_correction_names_its_original_and_what_changed(
    contents, window, desired, nothing_billed, bill, parsed
):
    billed = bill(difference(desired(window(Decimal(5), FEB, MAR)), nothing_billed, MAR))
    (document,) = parsed(contents(window(Decimal(3), FEB, MAR), billed=billed))
    assert document["kind"] == "credit_note"
    assert document["lines"][0]["amount"] == "-2.00"
    assert document["lines"][0]["correction"] == {
        "already_billed": "5.00",
        "desired": "3.00",
        "original_date": "2024-03-01",
        "original_number": "INV-7",
    }


@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [
        ("JPY", "-1234.5", "-1235"),
        ("JPY", "0.4", "0"),
        ("EUR", "-0.005", "-0.01"),
        ("KWD", "1.0005", "1.001"),
        ("CLF", "2", "2.0000"),
    ],
)
def test_money_is_written_with_the_places_of_its_currency(
    contents, window, parsed, currency, amount, written
):
    (document,) = parsed(contents(window(Decimal(amount), FEB, MAR, currency=currency)))
    assert document["lines"][0]["amount"] == document["net"] == written


def test_a_blocked_draft_shows_no_tax_at_all(contents, window, parsed):
    (document,) = parsed(contents(window(Decimal(5), FEB, MAR), tax_treatment=None))
    assert (document["tax"], document["tax_total"], document["total"]) == ([], None, None)


def test_the_order_of_the_rows_does_not_change_a_document(contents, window):
    rows = [window(Decimal(n), FEB, MAR, item_id=f"i{n}") for n in range(5)]
    assert contents(*rows).equals(contents(*rows[::-1]))


def test_a_fee_has_no_meter_and_no_determinant(contents, window, parsed):
    (document,) = parsed(contents(window(Decimal(10), MAR, APR, component="fee")))
    assert document["lines"][0]["meter"] is None
    assert document["lines"][0]["determinant"] is None


def issue(made, number="INV-1", run="run-1"):
    return issued(
        made.with_columns(
            number=pl.lit(number), run_id=pl.lit(run), known_at=pl.lit(42), through=pl.lit(APR)
        )
    )


def test_an_issued_document_is_its_content_with_issue_and_format(contents, window):
    made = contents(window(Decimal(5), FEB, MAR))
    (text,) = issue(made)
    document = json.loads(text)
    assert document.pop("issue") == {
        "known_at": 42,
        "number": "INV-1",
        "run_id": "run-1",
        "through": "2024-04-01",
    }
    assert document.pop("format") == "meterhouse/1"
    assert canonical_json(document) == made["content"][0]
    assert is_canonical(text)


def test_texts_that_look_like_json_stay_texts(contents, window, parsed):
    steps = canonical_json([{"amount": "1", "step": HOSTILE}])
    row = window(
        Decimal(5),
        FEB,
        MAR,
        item_description=HOSTILE,
        contract_id=HOSTILE,
        purchase_order=HOSTILE,
        dimensions=canonical_json({"model": HOSTILE}),
        steps=steps,
    )
    made = contents(row, name=HOSTILE, address=canonical_json({"line1": HOSTILE}))
    (document,) = parsed(made)
    buyer = document["buyer"]
    assert (buyer["address"], buyer["name"]) == ({"line1": HOSTILE}, HOSTILE)
    line = document["lines"][0]
    assert (line["description"], line["contract"]) == (HOSTILE, HOSTILE)
    assert (line["dimensions"], line["steps"]) == ({"model": HOSTILE}, json.loads(steps))
    (issued_text,) = issue(made, number=HOSTILE, run=HOSTILE)
    assert json.loads(issued_text)["issue"]["number"] == HOSTILE
    assert is_canonical(made["content"][0])
    assert is_canonical(issued_text)


@settings(max_examples=30, deadline=None)
@given(name=text, description=text, line1=text, number=text)
def test_any_text_gives_canonical_json(contents, window, name, description, line1, number):
    row = window(
        Decimal(5), FEB, MAR, item_description=description, steps=canonical_json([{"step": line1}])
    )
    made = contents(row, name=name, address=canonical_json({"line1": line1}))
    (issued_text,) = issue(made, number=number)
    assert is_canonical(made["content"][0])
    assert is_canonical(issued_text)
    assert json.loads(issued_text)["buyer"]["name"] == name
    assert json.loads(issued_text)["lines"][0]["description"] == description


def test_no_drafts_are_no_documents(contents):
    assert contents().is_empty()
