"""Cases of contract timelines: billed step by step by the core, and compared line by line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import polars as pl

from tests.conformance import lifecycle_money
from tests.conformance.lifecycle_adjustments import (
    adjusted_on,
    external_tax,
    note,
    with_credited,
)
from tests.conformance.lifecycle_changes import changed
from tests.conformance.lifecycle_frames import billed_with, desired, new_lines
from tests.conformance.lifecycle_judge import Bill, Charge, judge
from tests.conformance.lifecycle_profiles import System, profile_of, system_of
from tests.conformance.lifecycle_reading import dated, of_epochs, terms_of
from tests.conformance.lifecycle_segment import check_segment
from tests.conformance.lifecycle_successors import billed, contracts_of, has_successors
from tests.conformance.lifecycle_terms import DAY, local_day
from tests.conformance.lifecycle_voids import Kept, due_actions, opening_balance, voided
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported

ZERO = Decimal(0)


def check(case: Mapping[str, Any]) -> None:
    """Runs the case and compares its documents; cases of money are told by lifecycle_money."""
    if "segment" in case["given"]:
        check_segment(case)
    elif lifecycle_money.reader_of(case) is not None:
        lifecycle_money.check(case)
    elif has_successors(case):
        judge(bills_of_successors(case), case["expect"])
    else:
        judge(bills_of(of_epochs(dated(case))), case["expect"])


@dataclass
class Timeline:
    """A case on its way through time: what was billed, and what is in the balance."""

    case: Mapping[str, Any]
    system: System
    profile: Mapping[str, Any]
    billed: pl.DataFrame | None = None
    balance: Decimal = ZERO
    kept: list[Kept] = field(default_factory=list)
    credited: dict[str, Decimal] = field(default_factory=dict)

    def known(self, on: date, *, with_own: bool = True) -> list[Mapping[str, Any]]:
        """The changes that are known on a day."""
        zone = self.case.get("timezone") or "UTC"
        told = []
        for change in self.case["given"].get("changes", ()):
            day = local_day(change, zone, "date")
            if change.get("recorded"):
                day = date.fromisoformat(change["recorded"])
            if day is not None and (day < on or (with_own and day == on)):
                told.append(change)
        return told

    def bill(self, on: date, *, with_own: bool = True) -> pl.DataFrame:
        """The lines of a run on a day, which count as billed from then on."""
        terms = terms_of(self.case, self.profile)
        for change in self.known(on, with_own=with_own):
            changed(terms, change, self.case, self.profile)
        if terms.start > on:
            return pl.DataFrame()
        # What begins within a day is due at the end of it.
        is_late = terms.day_seconds or terms.start_seconds or on in terms.times
        through = on + DAY if is_late else on
        wanted = desired(terms, self.case, self.profile, through)
        lines = new_lines(wanted, with_credited(self.billed, self.credited), through)
        self.billed = billed_with(self.billed, lines, on)
        if "at" in self.case["given"]:
            at = datetime.fromisoformat(self.case["given"]["at"])
            lines = lines.filter(pl.col("window_start") <= at, at < pl.col("window_end"))
        return lines


def bills_of(case: Mapping[str, Any]) -> list[Bill]:
    """The documents of each look."""
    line = Timeline(case, system_of(case), profile_of(case))
    line.balance = opening_balance(case)
    looks = [_look(look, case) for look in case["when"]]
    changes = [
        c for c in line.known(date.max) if c.get("type") != "add" or "plans" in case["given"]
    ]
    _bill_before(line, looks[0], changes)
    found: list[Bill] = []
    for number, on in enumerate(looks):
        last = looks[number - 1] if number else None
        if actions := due_actions(case, case["when"][number], last):
            line.billed, line.balance = voided(line.kept, actions, line.balance)
        found += _adjusted(line, on)
        same = sum(1 for one in case["expect"] if one["invoice_date"] == on.isoformat())
        if same > looks.count(on) and looks.index(on) == number and len(line.known(on)) > len(
            line.known(on, with_own=False)
        ):  # fmt: skip
            found += _documents(line, line.bill(on, with_own=False), on)
        found += _documents(line, line.bill(on), on)
    return found


def _adjusted(line: Timeline, on: date) -> list[Bill]:
    """The credit notes of a day, each on the newest line that was billed."""
    notes = []
    for told in adjusted_on(line.case, on):
        if line.billed is None:
            raise NotSupported("an adjustment of nothing")
        key = line.billed.sort("window_start_on").get_column("line_key")[-1]
        line.credited[key] = line.credited.get(key, ZERO) + Decimal(told["amount"])
        notes.append(note(told, on))
        line.balance += notes[-1].generated
    return notes


def bills_of_successors(case: Mapping[str, Any]) -> list[Bill]:
    """The documents of each look at a customer's contracts, in the order of the contracts."""
    profile = profile_of(case)
    lines = [Timeline(one, system_of(case), profile) for one in contracts_of(case, profile)]
    days = [date.fromisoformat(look["bill_as_of"]) for look in case["when"]]
    for line in lines:
        _bill_before(line, days[0], line.known(date.max))
    found: list[Bill] = []
    for look, on in zip(case["when"], days, strict=True):
        for number, line in enumerate(lines):
            with_own = billed(look, case, number)
            if with_own is not None:
                found += _documents(line, line.bill(on, with_own=with_own), on)
    return found


def _look(look: Mapping[str, Any], case: Mapping[str, Any]) -> date:
    refuse_unknown("when", look, {"bill_as_of", "step"})
    begins = case["given"].get("contract", {}).get("start_instant")
    try:
        day = date.fromisoformat(look["bill_as_of"])
        # A look at the instant of the start is one at its local day.
        if begins is not None and datetime.fromisoformat(begins).date() == day:
            return local_day({"start_instant": begins}, case["timezone"], "start") or day
        return day
    except ValueError as error:
        raise NotSupported(f"a look at {look['bill_as_of']}") from error


def _bill_before(line: Timeline, first: date, changes: Sequence[Mapping[str, Any]]) -> None:
    """What was billed before the first look, each boundary and change on its day."""
    given = line.case["given"]
    told = "already_billed" in given or "period" in given or line.case.get("implied")
    zone = line.case.get("timezone") or "UTC"
    is_change = first in {local_day(change, zone, "date") for change in changes}
    told = told or (is_change and line.system.bills_before_changes)
    if "at" in given or (not told and line.system.catches_up):
        return
    days = {day for c in changes if (day := local_day(c, zone, "date")) and day < first}
    for day in sorted({*days, first - DAY}):
        line.bill(day)


def _documents(line: Timeline, lines: pl.DataFrame, on: date) -> list[Bill]:
    """The lines of a look as the system of the case tells them."""
    if lines.is_empty():
        return []
    found = _told(line, lines, on)
    for one in found:
        is_note = pl.col("amount") < 0 if one.document == "credit_note" else pl.col("amount") >= 0
        line.kept.append(Kept(one, lines.filter(is_note) if len(found) > 1 else lines))
    return found


def _told(line: Timeline, lines: pl.DataFrame, on: date) -> list[Bill]:
    charges = [_charge(row) for row in lines.to_dicts()]
    negative = [one for one in charges if one.amount < 0]
    positive = [one for one in charges if one.amount >= 0]
    if line.system.credits == "balance" and negative:
        line.balance -= sum((one.amount for one in negative), ZERO)
        return [_settled(line, Bill(positive, on))]
    if line.system.credits == "note" and negative:
        notes = [Bill(negative, on, document="credit_note")]
        return [*notes, *([Bill(positive, on)] if positive else [])]
    is_first = not line.kept
    bill = Bill(charges, on, tax=external_tax(line.case) if is_first else ZERO)
    return [_settled(line, bill)]


def _settled(line: Timeline, bill: Bill) -> Bill:
    """The document paid from the balance, or adding what it gives back to it."""
    due = bill.subtotal + bill.tax
    if due < 0:
        bill.generated = -due
        line.balance += bill.generated
    else:
        bill.applied = min(line.balance, due)
        line.balance -= bill.applied
    bill.balance = line.balance
    return bill


def _charge(row: Mapping[str, Any]) -> Charge:
    is_back = row["amount"] < 0 and row["served_end_on"] is not None
    start = row["served_end_on"] if is_back else row["window_start_on"]
    end = row["window_end_on"] if is_back else row["served_end_on"] or row["window_end_on"]
    share = _part(row, "share") - _part(row, "credit")
    if is_back:
        share = -_part(row, "credit")
    quantity = row["quantity"]
    return Charge(
        row["item_id"],
        row["amount"],
        frozenset({quantity, _nine(share), _nine(quantity * share)}),
        start,
        end,
        (row["window_start"], row["window_end"]),
        is_advance=row["timing"] == "advance",
        share=share,
        opens=row["opens_on"] or start,
    )


def _part(row: Mapping[str, Any], name: str) -> Decimal:
    if row[f"{name}_numerator"] is None:
        return ZERO
    with localcontext(prec=40):
        return Decimal(row[f"{name}_numerator"]) / Decimal(row[f"{name}_denominator"])


def _nine(value: Decimal) -> Decimal:
    with localcontext(prec=60):
        return value.quantize(Decimal("1E-9"), ROUND_HALF_UP)
