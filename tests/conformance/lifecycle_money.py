"""Lifecycle cases of money: allocation, grants, coupons, taxes, splits, thresholds, wallets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from meterhouse.entitlements.grants import Grant
from meterhouse.invoicing.allocation import allocate
from tests.conformance import lifecycle_grants, lifecycle_notes, lifecycle_periods
from tests.conformance.lifecycle_case import GIVEN
from tests.conformance.lifecycle_document import (
    NOW,
    ZERO,
    Document,
    Line,
    credited,
    discount_rows,
    discounted,
    judge,
    places_of,
    shares_of,
    taxed,
)
from tests.conformance.lifecycle_taxes import with_rates
from tests.conformance.lifecycle_usage import (
    charged,
    items_of,
    one_period,
    read_usage,
    tier_lines,
)
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported

Reader = Callable[[Mapping[str, Any]], list[Document]]
_LIMITS = {"minimum", "maximum", "minimum_commitment", "price_by_dimension"}


def reader_of(case: Mapping[str, Any]) -> Reader | None:
    """What reads the case, or None where it is not one of money."""
    given = case["given"]
    if "allocate" in given:
        return _allocated
    if "grants" in given:
        return lifecycle_grants.documents
    if "credit_notes" in given and "already_billed" in given:
        return lifecycle_notes.documents
    if set(given) & {"lines", "subtotal", "one_off"}:
        return _invoiced
    if "contract" not in given and "usage" in given and "plans" in given:
        return _split
    is_limited = any(_LIMITS & set(plan) for plan in given.get("plans", ()))
    is_money = is_limited or set(given) & {"discounts", "wallets", "thresholds", "taxes"}
    if "contract" in given and is_money and not set(given) - GIVEN:
        return lifecycle_periods.documents
    return None


def check(case: Mapping[str, Any]) -> None:
    """Makes the case's documents with the core and compares them with the published ones."""
    reader = reader_of(case)
    if reader is None:
        raise NotSupported(f"given {', '.join(sorted(case['given']))}")
    judge(reader(case), case["expect"])


def _allocated(case: Mapping[str, Any]) -> list[Document]:
    given = case["given"]
    refuse_unknown("given", given, {"allocate", "weights", "precision"})
    weights = [Decimal(weight) for weight in given["weights"]]
    shares = allocate(Decimal(given["allocate"]), weights, places_of(case))
    return [Document([Line(share) for share in shares])]


_INVOICE = {
    *("lines", "subtotal", "one_off", "discounts", "taxes", "customer_tax_rate"),
    *("tax_rounding", "tax_rounding_mode", "precision", "tax_inclusive"),
}


def _invoiced(case: Mapping[str, Any]) -> list[Document]:
    """One invoice of given lines."""
    given = case["given"]
    refuse_unknown("given", given, _INVOICE)
    told = given.get("lines") or given.get("one_off") or [given["subtotal"]]
    document = Document([_line(number, line) for number, line in enumerate(told)])
    share_places, options = shares_of(case)
    coupons = discount_rows(given.get("discounts", ()), case.get("currency"))
    discounted(document, coupons, places_of(case), share_places)
    inclusive = with_rates(document.lines, given)
    taxed(document, places_of(case), options, inclusive=inclusive)
    return [_net_of(document) if inclusive else document]


def _line(number: int, told: Any) -> Line:
    if not isinstance(told, Mapping):
        return Line(Decimal(told), Decimal(1), f"line {number + 1}")
    known = {"amount", "rate", "tax_rate", "description", "name", "item", "plan", "quantity"}
    refuse_unknown("line field", told, known)
    line = Line(Decimal(told["amount"]), Decimal(told.get("quantity") or "1"))
    rate = told.get("rate", told.get("tax_rate"))
    if rate is not None:
        line.rates = [(f"rate {rate}", Decimal(rate).scaleb(-2), False)]
    line.item = str(told.get("item", told.get("description", f"line {number + 1}")))
    line.plan = str(told.get("plan", "plan"))
    return line


def _net_of(document: Document) -> Document:
    """Lines that held their tax, told without it."""
    lines = [replace(line, amount=line.amount - line.tax) for line in document.lines]
    return replace(document, lines=lines)


_SPLIT = {"plans", "usage", "discounts", "credits", "taxes", "customer_tax_rate", "tax_rounding"}


def _split(case: Mapping[str, Any]) -> list[Document]:
    """One period that is invoiced once, or in several splits, each of what is new in it."""
    given = case["given"]
    refuse_unknown("given", given, _SPLIT)
    items = items_of(given)
    _, whole = _item_discounts(given)
    usage = read_usage(given, items)
    splits = sorted({use["split"] for use in usage if use["split"] is not None}) or [None]
    found, billed = [], ZERO
    before: list[Line] = []
    for split in splits:
        until = [use for use in usage if split is None or use["split"] <= split]
        is_last = split == splits[-1]
        lines = _cumulative(given, items, until, case["currency"], is_last=is_last)
        gross = [line for line in lines if not line.is_off]
        net = sum((line.amount for line in lines), ZERO)
        told = next((u["billed"] for u in usage if u["split"] == split and u["billed"]), None)
        document = Document(_new(gross, before))
        document.discount = document.subtotal - (net - billed)
        if told is not None and document.total != told:
            raise NotSupported(f"a split that was billed {told} and costs {document.total} here")
        if whole:
            raise NotSupported("coupons on splits")
        _credit(document, given)
        found.append(document)
        before, billed = gross, net
    looked = [look["bill_as_of"] for look in case["when"]]
    return [one for split, one in zip(splits, found, strict=True) if _is_asked(split, looked)]


def _is_asked(split: Any, looked: Sequence[str]) -> bool:
    return split is None or f"split {split}" in looked


def _item_discounts(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Discounts that act on the item itself, as its modifiers, and those of the whole invoice."""
    modifiers: dict[str, Any] = {}
    whole = []
    for one in given.get("discounts", ()):
        if one["type"] == "free_units":
            modifiers["free_quantity"] = one["quantity"]
        elif one["type"] == "percentage":
            share = format(Decimal(one["value"]).scaleb(-2), "f")
            modifiers.setdefault("discounts", []).append({"percentage": share})
        elif one["type"] == "fixed":
            modifiers.setdefault("discounts", []).append({"amount": one["amount"]})
        else:
            whole.append(one)
    return modifiers, whole


def _cumulative(
    given: Mapping[str, Any],
    items: Sequence[Any],
    usage: Sequence[Mapping[str, Any]],
    currency: str,
    *,
    is_last: bool,
) -> list[Line]:
    """The lines of the period so far."""
    more, _ = _item_discounts(given)
    modified = [replace(item, modifiers={**(item.modifiers or {}), **more}) for item in items]
    sums = [sum((u["quantity"] for u in usage if u["item"] == n), ZERO) for n in range(len(items))]
    windows = [
        one_period(item, quantity, is_last=is_last)
        for item, quantity in zip(modified, sums, strict=True)
    ]
    found: list[Line] = []
    for row in charged(windows, currency).to_dicts():
        item = items[row["window_no"]]
        is_own = row["component"] in ("usage", "fee")
        made = Line(row["amount"], Decimal(1), item.name, item.plan, part=row["component"])
        lines = tier_lines(row, item) if is_own else [made]
        for line in lines:
            line.is_off = not is_own and row["amount"] < 0
            found.append(line)
    return found


def _new(gross: Sequence[Line], before: Sequence[Line]) -> list[Line]:
    """Lines of the period so far, less those of the splits before it."""
    old = {_key(line): line for line in before}
    gone = [line for line in before if _key(line) not in {_key(one) for one in gross}]
    if gone:
        raise NotSupported("a split that takes back a line of an earlier one")
    return [_less(line, old.get(_key(line))) for line in gross]


def _key(line: Line) -> tuple[str, str, str]:
    return line.plan, line.item, line.part


def _less(line: Line, old: Line | None) -> Line:
    amount = line.amount - (old.amount if old else ZERO)
    before = (old.quantity if old else None) or ZERO
    quantity = None if line.quantity is None else line.quantity - before
    # A flat amount is one of its kind, however often it is looked at.
    quantity = line.quantity if line.part.startswith("flat") else quantity
    return Line(amount, quantity, line.item, line.plan, part=line.part)


def _credit(document: Document, given: Mapping[str, Any]) -> None:
    held = []
    for number, told in enumerate(given.get("credits", ())):
        one = told if isinstance(told, Mapping) else {"amount": told}
        refuse_unknown("credit", one, {"amount", "priority", "name", "id"})
        grant = Grant("customer", "money", str(number), Decimal(one["amount"]), NOW)
        held.append(grant._replace(priority=int(one.get("priority", 50))))
    if held:
        credited(document, held)
