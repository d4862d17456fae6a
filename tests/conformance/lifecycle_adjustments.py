"""Credit notes that people make between the runs of a timeline."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.money import AMOUNT
from tests.conformance.lifecycle_judge import Bill, Charge
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported

ZERO = Decimal(0)


def adjusted_on(case: Mapping[str, Any], on: date) -> Sequence[Mapping[str, Any]]:
    """The adjustments of a day."""
    found = [one for one in case["given"].get("adjustments", ()) if one["date"] == on.isoformat()]
    for one in found:
        refuse_unknown("adjustment", one, {"date", "line", "amount", "tax_refund"})
    return found


def external_tax(case: Mapping[str, Any]) -> Decimal:
    """Tax that another system has worked out for the first document."""
    total = ZERO
    for tax in case["given"].get("taxes", ()):
        refuse_unknown("tax field", tax, {"type", "amount"})
        if tax.get("type") != "external_amount":
            raise NotSupported(f"tax {tax.get('type')} on a timeline")
        total += Decimal(tax["amount"])
    return total


def note(told: Mapping[str, Any], on: date) -> Bill:
    """The credit note: what it gives back goes to the customer's balance."""
    amount = -Decimal(told["amount"])
    at = datetime.combine(on, time())
    line = Charge("adjustment", amount, frozenset(), on, on, (at, at),
                  is_advance=False, share=ZERO, opens=on)  # fmt: skip
    bill = Bill([line], on, document="credit_note", tax=-Decimal(told.get("tax_refund", "0")))
    bill.generated = -(bill.subtotal + bill.tax)
    return bill


def with_credited(
    billed: pl.DataFrame | None, credited: Mapping[str, Decimal]
) -> pl.DataFrame | None:
    """What was billed, with what people credited of each line."""
    if billed is None or not credited:
        return billed
    told = pl.col("line_key").replace_strict(dict(credited), default=ZERO, return_dtype=AMOUNT)
    return billed.with_columns(credited=told.cast(AMOUNT))
