"""Which tax rates the lines of a lifecycle case have."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tests.conformance.lifecycle_document import ZERO, Document, Line
from tests.conformance.readings import refuse_unknown

EXTERNAL = "external_amount"


def add_external(
    document: Document, given: Mapping[str, Any], spans: Sequence[tuple[date, date]]
) -> None:
    """Tax that another system has worked out for a span of time that the document bills."""
    for tax in (tax for tax in given.get("taxes", ()) if tax.get("type") == EXTERNAL):
        refuse_unknown("tax field", tax, {"type", "amount", "period_start", "period_end"})
        begins = tax.get("period_start")
        first = min((start for start, _ in spans), default=None)
        day = date.fromisoformat(begins) if begins else first
        is_ours = day is not None and any(start <= day < end for start, end in spans)
        document.tax += Decimal(tax["amount"]) if is_ours else ZERO


def with_rates(lines: Sequence[Line], given: Mapping[str, Any]) -> bool:
    """Rates for the lines that have none: the invoice's taxes, or the customer's rate.

    Says whether the amounts hold their tax already.
    """
    taxes = [tax for tax in given.get("taxes", ()) if tax.get("type") != EXTERNAL]
    known = {"rate", "compound", "reason", "inclusive", "name", "jurisdiction"}
    for tax in taxes:
        refuse_unknown("tax field", tax, known)
    rates = [
        (f"{number}", Decimal(tax["rate"]).scaleb(-2), bool(tax.get("compound", False)))
        for number, tax in enumerate(taxes)
    ]
    if not rates and given.get("customer_tax_rate") is not None:
        rate = given["customer_tax_rate"]
        rates = [(f"rate {rate}", Decimal(rate).scaleb(-2), False)]
    for line in lines:
        line.rates = rates if line.rates is None else line.rates
    return bool(given.get("tax_inclusive")) or any(tax.get("inclusive") for tax in taxes)
