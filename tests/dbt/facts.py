"""A small business in facts: a book, a few calls, two issued documents and their entries."""

import json


def book(kind, doc_id, **content):
    """A document of the book, as it is recorded."""
    return {"kind": kind, "doc_id": doc_id, "content": json.dumps(content)}


BOOK = [
    book(
        *("entity", "ent"),
        legal_name="Meter GmbH",
        base_currency="EUR",
        zone="Europe/Berlin",
        number_format="{entity}-{year}-{number:06d}",
    ),
    book("customer", "acme", name="Acme, as renamed", tax={"treatment": "taxed", "rate": "0.10"}),
    book("customer", "idle", name="Idle"),
    book("event_type", "call", properties={}),
    book("meter", "calls", event_type="call", aggregation="count", unit="call", decimals=6),
    book(
        *("contract", "con"),
        customer="acme",
        entity="ent",
        currency="EUR",
        zone="Asia/Tokyo",
        payment_terms="net30",
        start="2024-02-01",
        anchor_day=1,
        items=[
            {
                "id": "calls",
                "description": "Calls",
                "timing": "arrears",
                "meter": "calls",
                "price": {"model": "per_unit", "unit_amount": "5.00", "per": "1"},
                "prorate": {"start": True, "end": True},
            }
        ],
    ),
]


def event(event_id, occurred_at, customer_id):
    """A call."""
    return {
        "source": "api",
        "event_id": event_id,
        "event_type": "call",
        "subject": customer_id,
        "customer_id": customer_id,
        "occurred_at": occurred_at,
        "event_day": occurred_at[:10],
        "received_at": "2024-02-03 00:00:00+00",
        "data": "{}",
    }


# Tokyo is 9 hours ahead: the second call falls on the day after.
EVENTS = [
    event("1", "2024-02-01 14:59:59+00", "acme"),
    event("2", "2024-02-01 15:00:00+00", "acme"),
    event("3", "2024-02-01 15:00:00+00", "idle"),
]
QUARANTINED = {
    "source": "api",
    "event_id": "4",
    "status": "quarantined",
    "reason": "unknown_subject",
    "received_at": "2024-02-03 00:00:00+00",
}
BATCH = {
    "source": "api",
    "kind": "file",
    "name": "feb.csv",
    "received": 5,
    "released": 0,
    "accepted": 3,
    "duplicate": 1,
    "conflict": 0,
    "quarantined": 1,
    "refused": 0,
    "received_at": "2024-02-03 00:00:00+00",
}


def document(serial, invoice_date, due_date, net, tax, total, **other):
    """An issued document and its head."""
    return {
        "document_id": f"d{serial}",
        "number": f"ent-2024-{serial:06d}",
        "kind": "invoice",
        "series": "ent|invoice|2024",
        "entity_id": "ent",
        "customer_id": "acme",
        "contract_id": "con",
        "currency": "EUR",
        "invoice_date": invoice_date,
        "due_date": due_date,
        "posting_date": invoice_date,
        "net": net,
        "tax": tax,
        "total": total,
        "content": '{"buyer":{"name":"Acme"}}',
        "run_id": "r",
        "known_at": 2,
        "through": "2024-04-01",
    } | other


def line(document_id, line_no, amount, **other):
    """A billed line."""
    return {
        "line_key": f"{document_id}-{line_no}",
        "document_id": document_id,
        "line_no": line_no,
        "number": "ent-2024-" + document_id[1:].zfill(6),
        "invoice_date": "2024-03-01",
        "entity_id": "ent",
        "contract_id": "con",
        "item_id": "calls",
        "item_description": "Calls",
        "component": "usage",
        "role": "usage",
        "customer_id": "acme",
        "payer_id": "acme",
        "currency": "EUR",
        "zone": "Asia/Tokyo",
        "meter_id": "calls",
        "window_start_on": "2024-02-01",
        "window_end_on": "2024-03-01",
        "price_model": "per_unit",
        "price": '{"model":"per_unit","per":"1","unit_amount":"5.00"}',
        "quantity": "2",
        "amount_unrounded": amount,
        "amount": amount,
        "is_correction": False,
    } | other


def entry(entry_id, posting_date, **other):
    """The head of a posted entry."""
    return {
        "entry_id": entry_id,
        "entity_id": "ent",
        "event": "document.issued",
        "event_date": posting_date,
        "posting_date": posting_date,
        "currency": "EUR",
        "base_currency": "EUR",
        "fx_rate": "1",
        "cause": f'["{entry_id}"]',
    } | other


def posting(entry_id, line_no, account, debit, credit, **other):
    """A line of an entry, the same in both currencies."""
    return {
        "entry_id": entry_id,
        "line_no": line_no,
        "account": account,
        "debit": debit,
        "credit": credit,
        "debit_base": debit,
        "credit_base": credit,
        "customer_id": "acme",
    } | other


# Two documents: one late at the end of March, one not yet due.
ISSUED = {
    "documents": [
        document(1, "2024-03-01", "2024-03-15", "10.00", "1.00", "11.00"),
        document(2, "2024-04-01", "2024-05-01", "20.50", "2.05", "22.55"),
    ],
    "billed_lines": [
        line("d1", 1, "6.00"),
        line("d1", 2, "4.00"),
        line("d2", 1, "20.50", invoice_date="2024-04-01"),
    ],
    "journal_entries": [
        entry("e1", "2024-03-01", document_id="d1"),
        entry("e2", "2024-04-01", document_id="d2"),
    ],
    "journal_lines": [
        posting("e1", 1, "accounts_receivable", "11.00", "0"),
        posting("e1", 2, "revenue", "0", "10.00"),
        posting("e1", 3, "tax_payable", "0", "1.00"),
        posting("e2", 1, "accounts_receivable", "22.55", "0"),
        posting("e2", 2, "revenue", "0", "20.50"),
        posting("e2", 3, "tax_payable", "0", "2.05"),
    ],
}
