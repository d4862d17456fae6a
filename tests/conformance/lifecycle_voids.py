"""Documents of a timeline that are voided: their lines stand no more, their credit goes back."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from tests.conformance.lifecycle_frames import billed_with
from tests.conformance.lifecycle_judge import Bill
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported


class Kept(NamedTuple):
    """A document, and the lines behind it."""

    bill: Bill
    lines: pl.DataFrame


def opening_balance(case: Mapping[str, Any]) -> Decimal:
    """What a customer has to his credit before the first document."""
    total = Decimal(0)
    for one in case["given"].get("credits", ()):
        refuse_unknown("credit", one, {"type", "amount", "granted"})
        if one["type"] != "account_credit":
            raise NotSupported(f"credit {one['type']}")
        total += Decimal(one["amount"])
    return total


def due_actions(
    case: Mapping[str, Any], look: Mapping[str, Any], last: date | None
) -> Sequence[Mapping[str, Any]]:
    """Voids between the look before (on `last`) and this one."""
    found = []
    for action in case["given"].get("actions", ()):
        refuse_unknown("action", action, {"type", "invoice_period_start", "after", "before"})
        if action["type"] not in ("void", "void_all"):
            raise NotSupported(f"action {action['type']}")
        after = date.fromisoformat(action["after"])
        is_now = "step" in look or date.fromisoformat(look["bill_as_of"]) > after
        if last is not None and last == after and is_now:
            found.append(action)
    return found


def voided(
    kept: Sequence[Kept], actions: Sequence[Mapping[str, Any]], balance: Decimal
) -> tuple[pl.DataFrame | None, Decimal]:
    """What is still billed, and the balance, once the documents that are named are void."""
    for action in actions:
        for one in kept:
            starts = {line.start.isoformat() for line in one.bill.lines}
            is_all = action["type"] == "void_all"
            is_named = is_all or action["invoice_period_start"] in starts
            if is_named and not one.bill.is_void:
                one.bill.is_void = True
                balance += one.bill.applied - one.bill.generated
    standing: pl.DataFrame | None = None
    for one in kept:
        if not one.bill.is_void:
            standing = billed_with(standing, one.lines, one.bill.on)
    return standing, balance
