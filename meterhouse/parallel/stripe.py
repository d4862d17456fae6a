"""Invoices and credit notes of Stripe's API as rows of its CSV export, all values as texts."""

from collections.abc import Mapping
from typing import Any

COLUMNS = (
    *("object", "number", "invoice_id", "customer", "currency", "created", "product_id"),
    *("description", "quantity", "unit_amount_decimal", "amount", "discount_amount"),
    *("tax_amount", "tax_inclusive", "period_start", "period_end", "invoice_total", "status"),
)


def rows_of(document: Any) -> tuple[list[dict[str, str]], list[str]]:
    """One row per line of the documents of a list (or of one document), and what is wrong."""
    found = document.get("data", [document]) if isinstance(document, Mapping) else document
    rows: list[dict[str, str]] = []
    told: list[str] = []
    for place, one in enumerate(found, 1):
        if not isinstance(one, Mapping) or one.get("object") not in ("invoice", "credit_note"):
            told.append(f"entry {place} is not an invoice or credit note of Stripe")
            continue
        lines = one.get("lines") or {}
        if lines.get("has_more"):
            told.append(f"entry {place} ({_name(one)}) has more lines than the file; list them all")
        rows += [_row(one, line) for line in lines.get("data", [])]
    return rows, told


def _name(document: Mapping[str, Any]) -> str:
    return str(document.get("number") or document.get("id"))


def _row(document: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, str]:
    period = line.get("period") or {}
    moments = document.get("status_transitions") or {}
    taxes = line.get("taxes") or line.get("tax_amounts") or []
    values = {
        "object": document["object"],
        "number": document.get("number"),
        "invoice_id": document.get("id"),
        "customer": _id(document.get("customer")),
        "currency": document.get("currency"),
        "created": document.get("effective_at") or moments.get("finalized_at")
        or document.get("created"),
        "product_id": _product(line),
        "description": line.get("description"),
        "quantity": line.get("quantity"),
        "unit_amount_decimal": _unit_price(line),
        "amount": line.get("amount"),
        "discount_amount": sum(one["amount"] for one in line.get("discount_amounts") or []),
        "tax_amount": sum(one["amount"] for one in taxes),
        "tax_inclusive": any(_is_inclusive(one) for one in taxes),
        "period_start": period.get("start"),
        "period_end": period.get("end"),
        "invoice_total": document.get("total"),
        "status": document.get("status"),
    }  # fmt: skip
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _is_inclusive(tax: Mapping[str, Any]) -> bool:
    return bool(tax.get("inclusive")) or tax.get("tax_behavior") == "inclusive"


def _product(line: Mapping[str, Any]) -> str | None:
    details = (line.get("pricing") or {}).get("price_details") or {}
    price = line.get("price") or {}
    return _id(details.get("product") or price.get("product")) or price.get("id")


def _unit_price(line: Mapping[str, Any]) -> str | None:
    priced = line.get("pricing") or line.get("price") or {}
    return priced.get("unit_amount_decimal") or line.get("unit_amount_excluding_tax")


def _id(value: Any) -> str | None:
    """An id, also where the API expanded it to the thing itself."""
    return value.get("id") if isinstance(value, Mapping) else value
