"""Exports as their vendors publish them, written by hand, read as lines of documents."""

import json
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.errors import UsageError
from meterhouse.parallel.columns import ROUNDING
from meterhouse.parallel.documents import documents
from meterhouse.parallel.mapping import LAYOUTS, mapping_of
from meterhouse.parallel.reading import read_lines
from meterhouse.parallel.stripe import COLUMNS, rows_of

D = Decimal


def read(mapping, rows):
    """The lines of documents, and how many rows were skipped; rows are dictionaries of texts."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))
    numbered = frame.with_row_index("line", 2).with_columns(pl.col("line").cast(pl.Int64))
    lines, skipped = read_lines(numbered, mapping)
    return documents(lines).to_dicts(), skipped


def csv_rows(text):
    head, *lines = [line.split(";") for line in text.strip().splitlines()]
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_lines_of_stripe_are_in_minor_units_of_each_currency():
    lines, skipped = read(
        LAYOUTS["stripe"],
        csv_rows(
            """
invoice_id;customer_id;currency;created;product_id;quantity;amount;tax_amount;period_start;period_end;status
in_1;cus_a;eur;2025-10-01 09:12:00;prod_seat;3;30000;5700;2025-10-01;2025-11-01;paid
in_2;cus_b;jpy;1759309200;prod_seat;1;9999;1000;1759276800;1761955200;open
in_3;cus_c;kwd;2025-10-02;prod_seat;1;10125;0;2025-10-01;2025-11-01;paid
in_4;cus_d;isk;2025-10-02;prod_seat;1;150000;0;2025-10-01;2025-10-01;paid
in_5;cus_e;eur;2025-10-02;prod_seat;1;1;0;;;void
"""
        ),
    )
    assert skipped == 1
    told = [(one["currency"], one["amount"], one["tax"]) for one in lines]
    assert told == [("EUR", D("300"), D("57")), ("JPY", D("9999"), D("1000")),
                    ("KWD", D("10.125"), 0), ("ISK", D("1500"), 0)]  # fmt: skip
    days = [(one["invoice_date"], one["from_on"], one["until_on"]) for one in lines]
    october = (date(2025, 10, 1), date(2025, 11, 1))
    assert days == [(date(2025, 10, 1), *october), (date(2025, 10, 1), *october),
                    (date(2025, 10, 2), *october), (date(2025, 10, 2), None, None)]  # fmt: skip
    assert {one["fault"] for one in lines} == {None}


def stripe_document(**fields):
    line = {
        "amount": 12000, "quantity": 2, "description": "2 x Seat",
        "period": {"start": 1759276800, "end": 1761955200},
        "price": {"id": "price_1", "product": {"id": "prod_seat"}, "unit_amount_decimal": "6000"},
        "discount_amounts": [{"amount": 2000}],
        "tax_amounts": [{"amount": 1900, "inclusive": False}],
    }  # fmt: skip
    document = {
        "object": "invoice", "id": "in_1", "number": "R-1", "customer": "cus_a",
        "currency": "eur", "created": 1759309200, "status": "paid", "total": 11900,
        "lines": {"data": [line], "has_more": False},
    }  # fmt: skip
    return document | fields


def test_documents_of_stripes_api_are_lines_after_discount_and_credit_notes_are_negative():
    credit = {"object": "credit_note", "number": "R-1-CN-01"}
    found = {"object": "list", "data": [stripe_document(), stripe_document(**credit)]}
    rows, told = rows_of(json.loads(json.dumps(found), parse_float=str))
    assert told == []
    assert set(rows[0]) == set(COLUMNS)
    lines, _ = read(LAYOUTS["stripe"], rows)
    amounts = [(one["number"], one["product"], one["amount"], one["tax"]) for one in lines]
    assert amounts == [("R-1", "prod_seat", D("100"), D("19")),
                       ("R-1-CN-01", "prod_seat", D("-100"), D("-19"))]  # fmt: skip
    assert [one["unit_price"] for one in lines] == [D("60"), D("60")]


def test_tax_inside_a_stripe_amount_is_taken_out():
    document = stripe_document(total=10000)
    document["lines"]["data"][0]["tax_amounts"] = [{"amount": 1597, "inclusive": True}]
    lines, _ = read(LAYOUTS["stripe"], rows_of(document)[0])
    assert [(one["amount"], one["tax"]) for one in lines] == [(D("84.03"), D("15.97"))]


def test_what_is_no_stripe_document_or_not_whole_is_told():
    more = stripe_document(lines={"data": [], "has_more": True})
    assert len(rows_of({"data": [more, {"object": "charge"}]})[1]) == 2


def test_chargebee_lines_say_their_last_day():
    lines, skipped = read(
        LAYOUTS["chargebee"],
        csv_rows(
            """
Invoice Number;Customer Id;Currency;Invoice Date;Entity Id;Quantity;Unit Amount;Amount;\
Discount Amount;Tax Amount;Date From;Date To;Status
INV-7;acme;USD;01-Oct-2025;seat-monthly;2;"1,000.00";"2,000.00";100.00;0;01-Oct-2025;31-Oct-2025;Paid
INV-8;acme;USD;01-Oct-2025;seat-monthly;1;1000;1000;0;0;01-Oct-2025;31-Oct-2025;Voided
""".replace('"', "")
        ),
    )
    assert skipped == 1
    (line,) = lines
    assert line["amount"] == D("1900")
    assert line["unit_price"] == D("1000")
    assert (line["from_on"], line["until_on"]) == (date(2025, 10, 1), date(2025, 11, 1))


def test_zoho_lines_may_have_their_tax_inside():
    lines, _ = read(
        LAYOUTS["zoho_books"],
        csv_rows(
            """
Invoice Number;Customer Name;Currency Code;Invoice Date;Item Name;Quantity;Item Price;\
Item Total;Item Tax %;Item Tax Amount;Is Inclusive Tax;Total;Invoice Status
INV-000017;NewTech;INR;2025-10-03;Bulb;1;118;118.00;18;;true;177.00;Closed
INV-000017;NewTech;INR;2025-10-03;Spray;1;50;50.00;18;9.00;false;177.00;Closed
"""
        ),
    )
    assert [(one["amount"], one["tax"]) for one in lines] == [(D("100"), D("18")),
                                                             (D("50"), D("9"))]  # fmt: skip
    assert {one["from_on"] for one in lines} == {date(2025, 10, 1)}
    assert [one["unit_price"] for one in lines] == [None, D("50")]


OWN = mapping_of(
    {
        "system": "own",
        "columns": {"number": "n", "customer": "c", "date": "d", "amount": "a", "tax": "t",
                    "document_tax": "T", "document_total": "S", "currency": "w", "from": "f",
                    "to": "u", "kind": "k"},
        "dates": ["%d.%m.%Y"], "decimal": ",", "thousands": ".",
    },
    "own.yaml",
)  # fmt: skip


def row(**fields):
    return {"n": "1", "c": "a", "d": "01.10.2025", "a": "1.234,50", "w": "EUR"} | fields


def test_all_faults_of_a_row_are_told_and_the_whole_document_is_kept_out():
    bad = row(a="many", d="2025-10-01", w="EURO", f="02.10.2025", u="30.09.2025")
    lines, _ = read(OWN, [row(), bad, row(n="2")])
    kept_out = [one["fault"] for one in lines if one["number"] == "1"]
    assert "date '2025-10-01' is not a date" in kept_out[1]
    assert "amount 'many' is not a number" in kept_out[1]
    assert "currency 'EURO' is not an ISO 4217 code" in kept_out[1]
    assert kept_out[0] is not None
    assert [(o["amount"], o["fault"]) for o in lines if o["number"] == "2"] == [
        (D("1234.50"), None)
    ]


def test_lines_of_one_document_have_one_customer_and_one_currency():
    lines, _ = read(OWN, [row(), row(c="b")])
    assert "more than one customer" in lines[0]["fault"]


def test_a_documents_tax_is_shared_by_its_lines():
    rows = [row(a="10,00", T="5,71", S="35,71"), row(a="20,00", T="5,71", S="35,71")]
    lines, _ = read(OWN, rows)
    assert [one["tax"] for one in lines] == [D("1.90"), D("3.81")]


def test_a_total_with_a_cent_more_has_a_line_of_rounding_and_more_is_a_fault():
    lines, _ = read(OWN, [row(a="10,00", S="10,01"), row(n="2", a="10,00", S="10,03")])
    assert [(o["product"], o["amount"]) for o in lines if o["number"] == "1"] == [
        (None, D("10")),
        (ROUNDING, D("0.01")),
    ]
    (wrong,) = [one["fault"] for one in lines if one["number"] == "2"]
    assert "0.03 apart" in wrong


def test_credit_notes_turn_all_their_amounts():
    lines, _ = read(OWN, [row(k="Credit Note", a="10,00", t="1,90", S="11,90")])
    assert [(one["kind"], one["amount"], one["tax"]) for one in lines] == [
        ("credit_note", D("-10"), D("-1.90"))
    ]


def test_a_mapping_tells_every_word_that_it_does_not_know():
    with pytest.raises(UsageError) as told:
        mapping_of({"system": "x", "columns": {"numbr": "n", "date": "d"}, "colour": 1}, "m.yaml")
    assert "colour" in str(told.value)
    with pytest.raises(UsageError, match="'numbr' is not a field; did you mean 'number'"):
        mapping_of({"system": "x", "columns": {"numbr": "n", "date": "d"}}, "m.yaml")
