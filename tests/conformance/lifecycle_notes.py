"""Lifecycle cases of credit notes by hand: an invoice, and what notes take back of its lines."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.invoicing.credit_notes import CREDITABLE, faults, with_tax
from meterhouse.invoicing.taxing import Options
from tests.conformance.lifecycle_document import (
    ZERO,
    Document,
    Line,
    discount_rows,
    discounted,
    places_of,
    taxed,
)
from tests.conformance.lifecycle_taxes import with_rates
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported

_BILLED = {"lines", "discounts", "taxes"}


def documents(case: Mapping[str, Any]) -> list[Document]:
    """The invoice of the case, and its notes in their order."""
    given = case["given"]
    refuse_unknown("given", given, {"already_billed", "credit_notes"})
    if len(given["already_billed"]) != 1:
        raise NotSupported("notes on several invoices")
    invoice = _invoice(given["already_billed"][0], case)
    state = {line.item: [ZERO, ZERO, ZERO] for line in invoice.lines}
    notes = [_note(invoice, told, state, places_of(case)) for told in given["credit_notes"]]
    return [invoice, *notes]


def _invoice(told: Mapping[str, Any], case: Mapping[str, Any]) -> Document:
    refuse_unknown("billed field", told, _BILLED)
    lines = [
        Line(Decimal(one["amount"]), Decimal(1), str(one["description"])) for one in told["lines"]
    ]
    invoice = Document(lines)
    discounted(invoice, discount_rows(told.get("discounts", ())), places_of(case))
    if with_rates(invoice.lines, told):
        raise NotSupported("notes on lines that hold their tax")
    taxed(invoice, places_of(case), Options())
    return invoice


def _note(
    invoice: Document, told: Mapping[str, Any], state: dict[str, list[Decimal]], places: int
) -> Document:
    """One note; `state` holds what went back of each line: gross, discount and tax."""
    refuse_unknown("credit note", told, {"line", "amount"})
    line = next(one for one in invoice.lines if one.item == told["line"])
    gross, discount, tax = state[line.item]
    asked = Decimal(told["amount"])
    off = _share(line.amount, line.discount, gross, discount, asked, places)
    net = line.amount - line.discount
    back = _share(net, line.tax, gross - discount, tax, asked - off, places)
    state[line.item] = [gross + asked, discount + off, tax + back]
    made = Line(-asked, None, line.item, discount=-off, tax=-back)
    return Document([made], discount=-off, tax=-back, details={"document": "credit_note"})


def _share(
    amount: Decimal, part: Decimal, credited: Decimal, before: Decimal, asked: Decimal, places: int
) -> Decimal:
    row = {
        "line_no": 1,
        "amount": amount,
        "tax": part,
        "credited": credited,
        "credited_tax": before,
        "places": places,
    }
    frame = pl.DataFrame([row], schema=dict(CREDITABLE)).with_columns(
        asked=pl.lit(asked).cast(CREDITABLE["amount"])
    )
    assert faults(frame) == []
    return with_tax(frame)["asked_tax"].sum() or ZERO
