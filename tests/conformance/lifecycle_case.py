"""A case of a contract, read: its items with their windows, its usage and its changes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl

from meterhouse.contracts import grid
from meterhouse.periods import zone_info
from tests.conformance.lifecycle_document import ZERO, Line, places_of
from tests.conformance.lifecycle_profiles import profile_of
from tests.conformance.lifecycle_usage import Item, Window, items_of, read_usage
from tests.conformance.readings import plainly, refuse_unknown
from tests.conformance.vectors import NotSupported

GIVEN = {
    *("plans", "items", "unit_price", "tax_rates", "contract", "usage", "discounts", "taxes"),
    *(
        "wallets",
        "credits",
        "thresholds",
        "changes",
        "grace_period_days",
        "tax_rounding",
        "customer_tax_rate",
    ),
}
_CONTRACT = {"start", "start_instant", "billing_time", "end", "currency"}
_CHANGE = {"date", "instant", "type", "to", "effective", "unused", "plan"}


_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


class Case:
    """A case of a contract, read: its items with their windows, its usage and its changes."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        self.case, self.given = case, case["given"]
        refuse_unknown("given", self.given, GIVEN)
        refuse_unknown("contract field", self.given["contract"], _CONTRACT)
        self.currency = case["currency"]
        self.places = places_of(case)
        self.zone = zone_info(case.get("timezone") or "UTC")
        self.start = self._day(self.given["contract"], "start", "start_instant")
        self.items = items_of(self.given)
        self.looks = [date.fromisoformat(look["bill_as_of"]) for look in case["when"]]
        self.horizon = max(self.looks)
        self.is_calendar = self.given["contract"].get("billing_time") == "calendar"
        fees = [item.cadence for item in self.items if item.cadence]
        self.cadence = min(fees, key=lambda one: one[0] * _DAYS[one[1]], default=(1, "month"))
        self.ends: date | None = None
        self.ended_due: date | None = None
        self.unused = "skip"
        # The last day that was agreed from the start, exclusive: fees in advance end there too.
        told = self.given["contract"].get("end")
        self.term = date.fromisoformat(told[:10]) if told else date.max
        self.switch: tuple[date, Item] | None = None
        for change in self.given.get("changes", ()):
            self._change(change)
        self.uses = read_usage(self.given, self.items)

    def _day(self, told: Mapping[str, Any], day: str, instant: str) -> date:
        """A day as given, or that of an instant in the zone of the case."""
        if told.get(day):
            return date.fromisoformat(told[day][:10])
        return datetime.fromisoformat(told[instant]).astimezone(self.zone).date()

    def _change(self, change: Mapping[str, Any]) -> None:
        refuse_unknown("change field", change, _CHANGE)
        on = self._day(change, "date", "instant")
        if change["type"] in ("terminate", "cancel", "cancel_immediate"):
            is_charged = profile_of(self.case).get("cancel_day") == "charged"
            self.ends = on + timedelta(days=int(is_charged))
            self.ended_due = on
            self.unused = change.get("unused", "credit")
        elif change["type"] == "change_plan" and self.switch is None:
            self._switch(change, on)
        else:
            raise NotSupported(f"change {change['type']} here")

    def _switch(self, change: Mapping[str, Any], on: date) -> None:
        """The first fee costs something else from a day on."""
        fee = next(item for item in self.items if item.is_fee)
        # The plan that is changed to may be listed after the one it begins with.
        target = [plan for plan in self.given["plans"][1:] if plan.get("price") == change["to"]]
        targets = items_of({**self.given, "plans": target[:1]})
        self.items = [item for item in self.items if item.price not in [t.price for t in targets]]
        if change.get("effective") == "end_of_period":
            on = next(end for _, end in self.periods(fee) if end >= on)
        elif fee.timing == "advance":
            raise NotSupported("an immediate change of a fee in advance here")
        price = {**fee.price, "amount": plainly(change["to"])}
        self.switch = (on, replace(fee, price=price, modifiers=None))

    def periods(self, item: Item) -> list[tuple[date, date]]:
        """The full periods of an item that touch its time, and the one after the last look."""
        every, unit = item.cadence or self.cadence
        row = {
            "contract_id": "contract",
            "grid_no": 0,
            "start_on": self.start,
            "is_calendar": self.is_calendar,
            "cadence_every": every,
            "cadence_unit": unit,
            "first_on": self.start,
        }
        absent = {"anchor_day": pl.Int64, "anchor_weekday": pl.Int64, "last_on": pl.Date}
        frame = pl.DataFrame([row]).with_columns(
            pl.lit(None, dtype=kind).alias(name) for name, kind in absent.items()
        )
        found = grid.periods(frame, self.horizon + timedelta(days=1)).sort("period_start_on")
        return list(found.select("period_start_on", "period_end_on").iter_rows())

    def windows(self) -> list[Window]:
        """The windows of all items, cut where the contract begins, ends or changes."""
        found = []
        for number, item in enumerate(self.items):
            for opens, closes in self.periods(item):
                for piece, (start, end) in self._pieces(item, opens, closes):
                    quantity = Decimal(1) if item.is_fee else self.used(number, start, end)
                    due = self._due(piece, start, end)
                    found.append(
                        Window(piece, start, end, (opens, closes), due, quantity, is_last=True)
                    )
        # In the order of their items: `sorted` keeps it among those that are due on one day.
        return sorted(found, key=lambda window: window.due)

    def _pieces(
        self, item: Item, opens: date, closes: date
    ) -> list[tuple[Item, tuple[date, date]]]:
        start, end = max(opens, self.start), min(closes, self.term)
        if self.ends is not None and (item.timing == "arrears" or start >= self.ends):
            end = min(end, self.ends)
        cuts = [start, end]
        switched = item
        if self.switch is not None:
            on, other = self.switch
            if start < on < end:
                cuts = [start, on, end]
            switched = (
                replace(other, name=item.name) if item.is_fee and item.plan == other.plan else item
            )
        pairs = [(a, b) for a, b in pairwise(cuts) if a < b]
        is_new = self.switch is not None
        return [
            (
                switched if is_new and self.switch is not None and a >= self.switch[0] else item,
                (a, b),
            )
            for a, b in pairs
        ]

    def _due(self, item: Item, start: date, end: date) -> date:
        if item.timing == "advance":
            return start
        return self.ended_due if end == self.ends and self.ended_due else end

    def used(self, number: int, start: date, end: date, until: date | None = None) -> Decimal:
        """What is used of an item in a window, or of it up to and with a day."""
        last = end if until is None else min(end, until + timedelta(days=1))
        first = date.min if self.items[number].carries_over else start
        return sum(
            (
                use["quantity"]
                for use in self.uses
                if use["item"] == number and (use["on"] is None or first <= use["on"] < last)
            ),
            ZERO,
        )

    def commitments(self) -> dict[str, Any]:
        """The committed minimum of a plan as the contract's: all its fees of a window count."""
        plans = self.given.get("plans", ())
        told = [plan["minimum_commitment"] for plan in plans if plan.get("minimum_commitment")]
        if len(told) > 1:
            raise NotSupported("several minimum commitments")
        if not told:
            return {}
        commitment = {"id": "commitment", "amount": plainly(told[0]), "period": "window"}
        return {"commitments": [{**commitment, "counts": "gross"}]}

    def line(self, row: Mapping[str, Any], windows: Sequence[Window]) -> Line:
        item = windows[row["window_no"]].item
        is_own = row["component"] in ("usage", "fee")
        quantity = row["quantity"] if row["component"] == "usage" else None
        line = Line(row["amount"], quantity, item.name, item.plan)
        line.is_fee = row["component"] == "fee"
        window = windows[row["window_no"]]
        line.span = (window.start, window.end)
        line.precise = row["amount_unrounded"] if is_own else None
        if item.tax_rate is not None:
            rate = Decimal(item.tax_rate)
            line.rates = [(f"rate {rate}", rate.scaleb(-2), False)]
        return line
