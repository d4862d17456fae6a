"""Documents of a timeline, and whether they are those that were published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tests.conformance.vectors import NotSupported

ZERO = Decimal(0)
_BILL = {
    *("invoice_date", "period_start", "period_end", "lines", "subtotal", "discount", "tax"),
    *("credits_applied", "total", "document", "credit_generated", "balances", "note", "status"),
    "unverified",
}
_LINE = {"description", "quantity", "amount", "period_start", "period_end", "note"}


@dataclass(frozen=True)
class Charge:
    """A line: `quantities` are the ways in which its quantity may be told."""

    item: str
    amount: Decimal
    quantities: frozenset[Decimal]
    start: date
    end: date
    instants: tuple[datetime, datetime]
    is_advance: bool
    share: Decimal
    opens: date


@dataclass
class Bill:
    """One document before tax."""

    lines: list[Charge]
    on: date
    document: str = "invoice"
    applied: Decimal = ZERO
    generated: Decimal = ZERO
    balance: Decimal = ZERO
    is_void: bool = False
    tax: Decimal = ZERO

    @property
    def subtotal(self) -> Decimal:
        return sum((line.amount for line in self.lines), ZERO)

    @property
    def total(self) -> Decimal:
        return ZERO if self.generated else self.subtotal + self.tax - self.applied


def judge(found: Sequence[Bill], expected: Sequence[Mapping[str, Any]]) -> None:
    """Every document that was published is ours, in order, and no other one is."""
    published = [one for one in expected if not _is_nothing(one)]
    ours = [one for one in found if one.lines and not _is_empty(one, published)]
    days = [one["invoice_date"] for one in published if one["invoice_date"]]
    if days:  # Later looks of which nothing is published are not judged.
        ours = [one for one in ours if one.on.isoformat() <= max(days)]
    told = [f"{bill.on}: {[str(line.amount) for line in bill.lines]}" for bill in ours]
    assert len(ours) == len(published), f"published {len(published)} documents, found {told}"
    for bill, document in zip(ours, published, strict=True):
        _judge(bill, document)


def _is_nothing(document: Mapping[str, Any]) -> bool:
    """Whether a document has only lines of zero: some systems print them."""
    amounts = [line["amount"] for line in document["lines"]]
    return all(amount is not None and Decimal(amount) == 0 for amount in amounts)


def _is_empty(bill: Bill, published: Sequence[Mapping[str, Any]]) -> bool:
    days = {one["invoice_date"] for one in published}
    return all(line.amount == 0 for line in bill.lines) and bill.on.isoformat() not in days


def _judge(bill: Bill, document: Mapping[str, Any]) -> None:
    unknown = sorted(set(document) - _BILL)
    if unknown:
        raise NotSupported(f"expected field {', '.join(unknown)}")
    _same("void", document.get("status") == "void", bill.is_void)
    if document["invoice_date"] is not None:
        _same("invoice date", document["invoice_date"], bill.on.isoformat())
    _lines(bill.lines, document["lines"])
    is_note = document.get("document") == "credit_note"
    is_below_zero = is_note and not document.get("credit_generated")
    total = bill.subtotal if is_below_zero else bill.total
    for name, value in (("subtotal", bill.subtotal), ("total", total)):
        _amount(name, document.get(name), value)
    # Whether a note is told as below zero or as nothing and a credit is a way of telling.
    _amount("credits applied", document.get("credits_applied"), bill.applied)
    _amount("tax", document.get("tax"), bill.tax)
    _amount("discount", document.get("discount"), ZERO)
    _amount("credit generated", document.get("credit_generated"), bill.generated)
    balance = document.get("balances", {}).get("account_credit")
    _amount("balance", balance, bill.balance)
    _period(bill, document)


def _amount(name: str, published: str | None, found: Decimal) -> None:
    if published is not None:
        assert Decimal(published) == found, f"{name}: published {published}, found {found}"


def _same(name: str, published: Any, found: Any) -> None:
    assert published == found, f"{name}: published {published}, found {found}"


def _lines(found: Sequence[Charge], published: Sequence[Mapping[str, Any]]) -> None:
    told = [f"{c.amount} {c.start}..{c.end} x{sorted(c.quantities)}" for c in found]
    rest = list(found)
    if len([c for c in rest if c.amount]) > len(published):
        rest = _joined(rest)
    for line in published:
        unknown = sorted(set(line) - _LINE)
        if unknown:
            raise NotSupported(f"expected line field {', '.join(unknown)}")
        fits = [one for one in rest if _fits(one, line)]
        if not fits and line["amount"] is not None and Decimal(line["amount"]) == 0:
            continue
        assert fits, f"published line {dict(line)}, found {told}"
        rest.remove(fits[0])
    over = [one for one in rest if one.amount != 0]
    assert not over, f"{len(over)} lines too many, found {told}"


def _fits(charge: Charge, line: Mapping[str, Any]) -> bool:
    if line["amount"] is not None and Decimal(line["amount"]) != charge.amount:
        return False
    quantity = line.get("quantity")
    # The sign of a quantity that goes back is a way of telling.
    if quantity is not None and abs(Decimal(quantity)) not in {abs(q) for q in charge.quantities}:
        return False
    edges = (("period_start", charge.start, 0), ("period_end", charge.end, 1))
    return all(_is_at(line.get(name), day, charge, edge) for name, day, edge in edges)


def _is_at(told: str | None, day: date, charge: Charge, edge: int) -> bool:
    if told is None:
        return True
    if "T" in told:
        return datetime.fromisoformat(told) == charge.instants[edge]
    return told == day.isoformat()


def _joined(charges: Sequence[Charge]) -> list[Charge]:
    """Whole periods of an item that follow each other as one line, as some systems tell them."""
    joined: list[Charge] = []
    for one in sorted(charges, key=lambda c: (c.item, c.start)):
        last = joined[-1] if joined else None
        if last and last.item == one.item and last.end == one.start and one.share == 1 and (
            last.share >= 1
        ):  # fmt: skip
            share = last.share + 1
            both = (last.instants[0], one.instants[1])
            joined[-1] = replace(last, amount=last.amount + one.amount, end=one.end, share=share,
                                 instants=both, quantities=frozenset({share}))  # fmt: skip
        else:
            joined.append(one)
    return joined


def _period(bill: Bill, document: Mapping[str, Any]) -> None:
    """The period of a document is that of all its lines, of what is new, or of one of them."""
    start, end = document.get("period_start"), document.get("period_end")
    if start is None or end is None:
        return
    fresh = [one for one in bill.lines if one.is_advance and one.amount >= 0]
    groups = [bill.lines, fresh, *([one] for one in bill.lines)]
    spans = [_span(group) for group in groups if group]
    # Usage that carries over is told for its whole window.
    spans.append((min(c.opens for c in bill.lines).isoformat(), _span(bill.lines)[1]))
    instants = [
        (min(c.instants[0] for c in group), max(c.instants[1] for c in group))
        for group in groups
        if group
    ]
    if "T" in start:
        told = (datetime.fromisoformat(start), datetime.fromisoformat(end))
        assert told in instants, f"period: published {start}..{end}, found {instants[0]}"
        return
    assert (start, end) in spans, f"period: published {start}..{end}, found {spans[0]}"


def _span(group: Sequence[Charge]) -> tuple[str, str]:
    return min(c.start for c in group).isoformat(), max(c.end for c in group).isoformat()
