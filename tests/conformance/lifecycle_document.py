"""Documents of lifecycle cases: lines through discounts, tax and credits of the core, and judging.

What a case publishes and we make are compared as numbers; lines of zero are left out on both sides,
for systems differ in whether they print them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.entitlements import grants
from meterhouse.entitlements.grants import Grant
from meterhouse.invoicing import crediting, discounts, taxing
from meterhouse.invoicing.taxing import Options
from meterhouse.money import PLACES
from meterhouse.periods import INSTANT
from tests.conformance.vectors import NotSupported

ZERO = Decimal(0)
NOW, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_TOLD = {"description", "note"}
_LINE = {"quantity", "amount", "discount", "tax", "credits", "taxable", "precise"}
_HEAD = {"invoice_date", "period_start", "period_end"}
_SPAN = ("period_start", "period_end")
_SUMS = ("subtotal", "discount", "credits_applied", "tax", "total")
_DETAILS = {"balances", "overage", "drawdown", "remaining", "document", "credit_note", "refund"}


@dataclass
class Line:
    """A line before discounts; rates are (fraction, is_compound)."""

    amount: Decimal
    quantity: Decimal | None = None
    item: str = "item"
    plan: str = "plan"
    precise: Decimal | None = None
    part: str = ""
    is_fee: bool = False
    span: tuple[date, date] | None = None
    # Whether it lowers what other lines cost.
    is_off: bool = False
    rates: Sequence[tuple[str, Decimal, bool]] | None = None
    discount: Decimal = ZERO
    tax: Decimal = ZERO
    credits: Decimal = ZERO
    taxable: Decimal = ZERO
    # What tax is due on where it is not the rounded amount less discounts.
    tax_base: Decimal | None = None


@dataclass
class Document:
    """What one document comes to; `details` are balances, overage and the like."""

    lines: list[Line]
    invoice_date: date | None = None
    period: tuple[date | None, date | None] = (None, None)
    discount: Decimal = ZERO
    tax: Decimal = ZERO
    credits_applied: Decimal = ZERO
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def subtotal(self) -> Decimal:
        return sum((line.amount for line in self.lines), ZERO)

    @property
    def total(self) -> Decimal:
        return self.subtotal - self.discount + self.tax - self.credits_applied


def places_of(case: Mapping[str, Any]) -> int:
    """The places of the case's currency; of a unit of its own, those that it says."""
    given = case["given"].get("precision")
    if given is not None:
        return int(given)
    if case.get("currency") not in PLACES:
        raise NotSupported(f"currency {case.get('currency')} without a precision")
    return PLACES[case["currency"]]


def shares_of(case: Mapping[str, Any]) -> tuple[int | None, Options]:
    """How the system of a case spreads coupons and tells tax.

    Lago keeps shares of coupons with five more places and rounds the tax of an invoice once.
    """
    is_lago = "lago" in str(case.get("source", "")).lower()
    usual = "invoice" if is_lago else "invoice_per_rate"
    rounding = case["given"].get("tax_rounding", usual)
    mode = case["given"].get("tax_rounding_mode", "half_up")
    rounding = {"item": "line", "per_line": "line"}.get(rounding, rounding)
    if rounding not in ("line", "invoice", "invoice_per_rate") or mode not in (
        "half_up",
        "half_even",
    ):
        raise NotSupported(f"tax rounding {rounding}, {mode}")
    if is_lago:
        return places_of(case) + 5, Options(rounding, mode, shares="own")
    return None, Options(rounding, mode)


def discount_rows(given: Sequence[Mapping[str, Any]], currency: str | None = None) -> pl.DataFrame:
    """The coupons of a case as the rows that invoices read; nothing of them is used yet.

    One in another currency is refused: it is never converted.
    """
    ours = [one for one in given if one.get("currency", currency) == currency]
    rows = [_discount(number, one) for number, one in enumerate(ours)]
    return pl.DataFrame(rows, schema=dict(discounts.DISCOUNTS))


_FREQUENCIES = {"once": "once", "forever": "forever", "until_used": "until_used"}
_CYCLES = ("cycles", "recurring_cycles", "recurring_value", "duration_cycles", "times")
_DISCOUNT = {"type", "amount", "value", "items", "item", "plan", "plans", "applies", *_CYCLES}


def _discount(number: int, one: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(one) - _DISCOUNT - {"frequency", "code", "name", "currency"})
    if unknown or one["type"] not in ("fixed", "percentage"):
        raise NotSupported(f"discount {one['type']} with {', '.join(unknown) or 'its fields'}")
    is_share = one["type"] == "percentage"
    cycles = next((int(one[name]) for name in _CYCLES if one.get(name) is not None), None)
    said = one.get("frequency", one.get("applies", "forever" if cycles is None else "repeating"))
    frequency = "repeating" if cycles is not None else _FREQUENCIES.get(said)
    if frequency is None:
        raise NotSupported(f"discount applies {said}")
    plans = one.get("plans") or ([one["plan"]] if "plan" in one else [])
    items = one.get("items") or ([one["item"]] if "item" in one else [])
    value = Decimal(one.get("value") or one.get("amount") or "0")
    return {
        "document_id": "invoice",
        "discount_id": str(number),
        "percentage": value.scaleb(-2) if is_share else None,
        "amount": None if is_share else value,
        "items": items,
        "plans": plans,
        "age": number,
        "frequency": frequency,
        "cycles": cycles,
        "used_count": 0,
        "used_amount": ZERO,
    }


def discounted(
    document: Document, coupons: pl.DataFrame, places: int, share_places: int | None = None
) -> pl.DataFrame:
    """The document with its discounts, and the coupons as they stand after it."""
    rows = [
        {
            "document_id": "invoice",
            "line_no": number,
            "item_id": line.item,
            "plan_id": line.plan,
            "amount": line.amount,
            "places": places,
        }
        for number, line in enumerate(document.lines)
    ]
    frame = pl.DataFrame(rows, schema=dict(discounts.LINES))
    done = discounts.discounted(frame, coupons, share_places)
    for line, found in zip(document.lines, done.lines.to_dicts(), strict=True):
        line.discount, line.taxable = found["discount"], found["net"]
    document.discount = done.lines["discount"].sum() or ZERO
    return discounts.used(coupons, done.shares)


def taxed(document: Document, places: int, options: Options, *, inclusive: bool = False) -> None:
    """The document with the taxes of its lines."""
    rows = [
        {
            "document_id": "invoice",
            "line_no": number,
            "tax_no": tax_no,
            "tax_id": tax_id,
            "amount": line.amount - line.discount if line.tax_base is None else line.tax_base,
            "rate": rate,
            "is_compound": compound,
            "is_inclusive": inclusive,
            "places": places,
        }
        for number, line in enumerate(document.lines)
        for tax_no, (tax_id, rate, compound) in enumerate(line.rates or ())
    ]
    found = taxing.taxed(pl.DataFrame(rows, schema=dict(taxing.TAXED)), options)
    document.tax = found.rates["tax"].sum() or ZERO
    by_line = found.lines.group_by("line_no").agg(pl.col("tax").sum())
    for number, tax in by_line.iter_rows():
        document.lines[number].tax = tax


def paid(held: Sequence[Grant], amount: Decimal, on: date) -> tuple[list[Decimal], list[Decimal]]:
    """What each grant pays of one amount after tax, and what is left of it, in the order given."""
    at = datetime(on.year, on.month, on.day, tzinfo=UTC)
    total = _credited_lines([amount]).with_columns(at=pl.lit(at, dtype=INSTANT))
    after = at + timedelta(seconds=1)
    done = crediting.paid(total, grants.frame(list(held)), after)
    left = dict(done.balances.select("grant_id", "balance").iter_rows())
    taken = dict(done.burned.group_by("grant_id").agg(pl.col("quantity").sum()).iter_rows())
    ids = [grant.grant_id for grant in held]
    return [taken.get(id, ZERO) for id in ids], [left[id] for id in ids]


def credited(document: Document, held: Sequence[Grant]) -> None:
    """The document with promotional credits on its lines, in their order."""
    amounts = [line.amount - line.discount for line in document.lines]
    done = crediting.credited(_credited_lines(amounts), grants.frame(list(held)), LATEST)
    for line, credit in zip(document.lines, done.lines["credit"].to_list(), strict=True):
        line.credits = credit
        document.credits_applied += credit


def _credited_lines(amounts: Sequence[Decimal]) -> pl.DataFrame:
    rows = [
        ("invoice", number, "customer", "money", "item", NOW, amount)
        for number, amount in enumerate(amounts)
    ]
    return pl.DataFrame(rows, schema=dict(crediting.CREDITED), orient="row")


def judge(found: Sequence[Document], expected: Sequence[Mapping[str, Any]]) -> None:
    """Every document that was published is ours, in order."""
    assert len(found) == len(expected), f"published {len(expected)} documents, found {len(found)}"
    for ours, theirs in zip(found, expected, strict=True):
        _judge(ours, theirs)


def _judge(ours: Document, theirs: Mapping[str, Any]) -> None:
    # Whether it is a draft still is told, not compared: here it is what it comes to.
    unknown = sorted(set(theirs) - {*_HEAD, *_SUMS, "lines", "note", "status", *_DETAILS})
    if unknown:
        raise NotSupported(f"expected field {', '.join(unknown)}")
    for name in _SUMS:
        _same(name, theirs.get(name), getattr(ours, name))
    if theirs.get("invoice_date") and ours.invoice_date:
        _equal("invoice_date", theirs["invoice_date"], ours.invoice_date.isoformat())
    for name, day in zip(_SPAN, ours.period, strict=True):
        if theirs.get(name) and day:
            _equal(name, theirs[name], day.isoformat())
    _judge_lines(ours.lines, theirs["lines"])
    for name in sorted(_DETAILS & set(theirs)):
        assert name in ours.details, f"{name} is published and was not found"
        _equal(name, _normal(theirs[name]), _normal(ours.details[name]))


def _judge_lines(ours: Sequence[Line], theirs: Sequence[Mapping[str, Any]]) -> None:
    published = [line for line in theirs if Decimal(line["amount"]) != 0]
    found = [line for line in ours if line.amount != 0]
    amounts = [Decimal(line["amount"]) for line in published]
    ours_too = [line.amount for line in found]
    assert ours_too == amounts, f"published lines {_told(amounts)}, found {_told(ours_too)}"
    for line, told in zip(found, published, strict=True):
        unknown = sorted(set(told) - _LINE - _TOLD - set(_SPAN))
        if unknown:
            raise NotSupported(f"expected line field {', '.join(unknown)}")
        for name, day in zip(_SPAN, line.span or (None, None), strict=True):
            if told.get(name) and day:
                _equal(f"line {name}", told[name], day.isoformat())
        for name in sorted(_LINE & set(told) - {"amount"}):
            value = getattr(line, name)
            if told[name] is not None and value is not None:
                _share(f"line {name}", told[name], value)


def _share(name: str, published: str, found: Decimal) -> None:
    """A figure of a line. One told finer than any currency is a share that was cut somewhere: ours
    may differ by one of its last places, for ours add up to what is shared."""
    places = -int(Decimal(published).as_tuple().exponent)
    if places <= 4:
        _same(name, published, found)
        return
    difference = abs(Decimal(published) - found)
    assert difference <= Decimal(1).scaleb(-places), f"{name}: published {published}, found {found}"


def _told(amounts: Sequence[Decimal]) -> str:
    return ", ".join(f"{amount.normalize():f}" for amount in amounts)


def _same(name: str, published: str | None, found: Decimal) -> None:
    if published is not None:
        assert Decimal(published) == found, f"{name}: published {published}, found {found}"


def _equal(name: str, published: Any, found: Any) -> None:
    assert published == found, f"{name}: published {published}, found {found}"


def _normal(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _normal(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_normal(one) for one in value]
    try:
        return Decimal(value).normalize() + 0
    except (ArithmeticError, TypeError, ValueError):
        return value
