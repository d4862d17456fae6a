"""Which tax rates the lines of a lifecycle case have."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.conformance.lifecycle_document import Line
from tests.conformance.readings import refuse_unknown


def with_rates(lines: Sequence[Line], given: Mapping[str, Any]) -> bool:
    """Rates for the lines that have none: the invoice's taxes, or the customer's rate.

    Says whether the amounts hold their tax already.
    """
    taxes = given.get("taxes", ())
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
    return any(tax.get("inclusive") for tax in taxes)
