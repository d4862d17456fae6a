"""Cases of money on a contract: windows by due date, limits, coupons, thresholds, wallets, tax."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.entitlements.grants import Grant
from meterhouse.invoicing import thresholds
from meterhouse.invoicing.allocation import allocate
from meterhouse.money import AMOUNT, round_half_away
from meterhouse.pricing.modifiers import shares as windows_share
from tests.conformance import lifecycle_taxes
from tests.conformance.lifecycle_case import Case
from tests.conformance.lifecycle_document import (
    NOW,
    ZERO,
    Document,
    Line,
    discount_rows,
    discounted,
    paid,
    shares_of,
    taxed,
)
from tests.conformance.lifecycle_usage import Item, Window, charged
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported

_WALLET = {
    *("amount", "balance", "priority", "granted", "expires", "name", "id", "kind", "type"),
    *("status", "currency", "credits", "rate", "rate_amount"),
}
_ACCOUNT = "account_credit"
_FREE = {"granted", "free", "promo", "promotional"}


def documents(case: Mapping[str, Any]) -> list[Document]:
    """The documents on the days that are looked at, in order.

    Where usage says when it was received, each look knows what was received before its day, and one
    that is a later `step` of the same day what was received on it.
    """
    if not any("received" in use for use in _usage(case)):
        for look in case["when"]:
            refuse_unknown("when", look, {"bill_as_of"})
        return _documents(case)
    found = []
    for look in case["when"]:
        refuse_unknown("when", look, {"bill_as_of", "step"})
        known = [use for use in _usage(case) if _is_known(use, look)]
        given = {**case["given"], "usage": known}
        day = date.fromisoformat(look["bill_as_of"])
        seen = _documents({**case, "given": given, "when": [look]})
        found += [one for one in seen if one.invoice_date == day]
    return found


def _usage(case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    usage = case["given"].get("usage", [])
    return usage if isinstance(usage, list) else []


def _is_known(use: Mapping[str, Any], look: Mapping[str, Any]) -> bool:
    received, day = use.get("received", ""), look["bill_as_of"]
    return bool(received < day or (received == day and "step" in look))


def _documents(case: Mapping[str, Any]) -> list[Document]:
    read = Case(case)
    windows = read.windows()
    end = min(read.ends or read.horizon + timedelta(days=3660), read.term)
    lines = charged(windows, read.currency, read.commitments(), (read.start, end))
    crossings = _crossings(read)
    asked = [one.get("note", "") for one in case["expect"]]
    only_true_up = any("only the true-up" in note for note in asked)
    coupons = discount_rows(read.given.get("discounts", ()), read.currency)
    wallets = _wallets(read)
    found: list[Document] = []
    progressive: dict[date, Decimal] = {}
    for day in sorted({*crossings, *_due_days(read, lines)}):
        mine = lines.filter(_is_due(read, day))
        if only_true_up:
            mine = mine.filter(pl.col("component") == "true_up")
        closed = not mine.is_empty()
        period = _period_of(read, day, is_closed=closed)
        note = _credit_note(read, windows, lines, day)
        told = [[read.line(row, windows) for row in part.to_dicts()] for part in _parts(mine, note)]
        if not closed:
            told = [crossings[day]]
        made = [Document(own, day) for own in told]
        for document in made:
            if note is not None and document is made[-1]:
                found.append(note)
            if not document.lines:
                continue
            coupons = _settled(read, document, coupons, progressive.get(period, ZERO))
            spans = [
                (windows[n].start, windows[n].end) for n in mine["window_no"].unique().to_list()
            ]
            lifecycle_taxes.add_external(document, read.given, spans)
            if len(made) == 1 and len(set(spans)) <= 1:
                document.period = (spans or [(max(period, read.start), day)])[0]
            if note is not None and document is made[-1]:
                _apply_note(document, note)
            wallets = _pay(document, wallets)
            found.append(document)
        if not closed:
            progressive[period] = made[0].subtotal
    return _asked(found, read.looks, case)


def _parts(mine: pl.DataFrame, note: Document | None) -> list[pl.DataFrame]:
    """The lines of a day by document: fees of that very day that are given back come before."""
    is_new = pl.col("timing") == "advance"
    if note is None or mine.filter(is_new).is_empty():
        return [mine]
    return [mine.filter(is_new), mine.filter(~is_new)]


def _due_days(read: Case, lines: pl.DataFrame) -> list[date]:
    days = {_as_due(read, day) for day in lines["due_on"].unique()}
    return sorted(day for day in days if day <= read.horizon)


def _as_due(read: Case, day: date) -> date:
    """A true-up of a contract that has ended is due with its last lines."""
    return read.ended_due if day == read.ends and read.ended_due else day


def _is_due(read: Case, day: date) -> pl.Expr:
    """Whether a line belongs to the document of a day."""
    days = {day} | ({read.ends} if read.ends is not None and day == read.ended_due else set())
    return pl.col("due_on").is_in(sorted(days))


def _period_of(read: Case, day: date, *, is_closed: bool) -> date:
    """The first day of the period of usage that a document of that day is about."""
    inside = day - timedelta(days=int(is_closed))
    periods = read.periods(Item("usage", "usage", {}, is_fee=False))
    starts = [opens for opens, _ in periods if opens <= inside]
    return max(starts, default=read.start)


def _crossings(read: Case) -> dict[date, list[Line]]:
    """By day: the lines of usage of the period so far, where a threshold was reached."""
    told = read.given.get("thresholds", ())
    if not told:
        return {}
    for one in told:
        refuse_unknown("threshold field", one, {"amount", "recurring", "name"})
    rows = [("a", Decimal(one["amount"]), bool(one.get("recurring"))) for one in told]
    steps = pl.DataFrame(rows, schema=dict(thresholds.THRESHOLDS), orient="row")
    days = sorted({use["on"] for use in read.uses if use["on"] is not None})
    windows = [window for day in days for window in _until(read, day)]
    priced = charged(windows, read.currency)
    contracts = [window.contract for window in windows]
    by_day = priced.with_columns(day=pl.lit(None, dtype=pl.String)).with_columns(
        day=pl.col("window_no").replace_strict(dict(enumerate(contracts)), default=None)
    )
    sums = dict(by_day.group_by("day").agg(pl.col("amount").sum()).iter_rows())
    looks = pl.DataFrame(
        [("a", number, sums.get(str(day), ZERO)) for number, day in enumerate(days)],
        schema=dict(thresholds.LOOKS),
        orient="row",
    )
    crossed = thresholds.crossed(looks, steps).filter("is_crossed")["look_no"].to_list()
    return {days[number]: _lines_of(read, by_day, windows, days[number]) for number in crossed}


def _lines_of(read: Case, by_day: pl.DataFrame, windows: Sequence[Window], day: date) -> list[Line]:
    period = _period_of(read, day, is_closed=False)
    rows = by_day.filter(pl.col("day") == str(day)).to_dicts()
    now = [row for row in rows if windows[row["window_no"]].period[0] >= period]
    return [read.line(row, windows) for row in now]


def _until(read: Case, day: date) -> list[Window]:
    """The windows of usage that have begun by a day, with what is used up to and with it."""
    found = []
    for number, item in enumerate(read.items):
        if item.is_fee:
            continue
        for opens, closes in read.periods(item):
            start = max(opens, read.start)
            if start <= day:
                quantity = read.used(number, start, closes, day)
                whole = (opens, closes)
                found.append(Window(item, start, closes, whole, day, quantity, str(day)))
    return found


def _settled(
    read: Case, document: Document, coupons: pl.DataFrame, before: Decimal
) -> pl.DataFrame:
    """The document with coupons, what was billed before it in its period, and tax."""
    share_places, options = shares_of(read.case)
    coupons = discounted(document, coupons, read.places, share_places)
    lifecycle_taxes.with_rates(document.lines, read.given)
    usage = sum((line.amount for line in document.lines if not line.is_fee), ZERO)
    left = thresholds.outstanding(_amount(usage), _amount(before), ["period"])["amount"].item()
    taken = max(min(usage - left, document.subtotal - document.discount), ZERO)
    weights = [ZERO if line.is_fee else line.amount for line in document.lines]
    shares = allocate(taken, weights, read.places)
    for line, share in zip(document.lines, shares, strict=True):
        line.discount += share
    taxed(document, read.places, options)
    for line, share in zip(document.lines, shares, strict=True):
        line.discount -= share
    document.credits_applied = taken
    return coupons


def _amount(amount: Decimal) -> pl.DataFrame:
    return pl.DataFrame({"period": [0], "amount": [amount]}, schema_overrides={"amount": AMOUNT})


def _credit_note(
    read: Case, windows: Sequence[Window], lines: pl.DataFrame, day: date
) -> Document | None:
    """What is given back of fees in advance when the contract ends: of what was billed, by days."""
    if read.ends is None or day != read.ended_due or read.unused == "skip":
        return None
    if read.unused not in ("credit", "offset", "refund"):
        raise NotSupported(f"unused {read.unused}")
    found = []
    for row in lines.filter(pl.col("timing") == "advance").to_dicts():
        window = windows[row["window_no"]]
        rest = (window.end - read.ends).days
        if window.start < read.ends and rest > 0:
            whole = (window.end - window.start).days
            exact = _part(row["amount"], rest, whole)
            line = replace(read.line(row, windows), quantity=None, tax_base=-exact)
            line.amount = -round_half_away(exact, read.places)
            found.append(line)
    if not found:
        return None
    note = Document(found, day, details={"document": "credit_note"})
    _settled(read, note, discount_rows([]), ZERO)
    note.details |= {"refund": -note.total} if read.unused == "refund" else {}
    return note


def _part(amount: Decimal, numerator: int, denominator: int) -> Decimal:
    one = {"share_numerator": [numerator], "share_denominator": [denominator]}
    whole = pl.DataFrame({**one, "amount": pl.Series([amount], dtype=AMOUNT)})
    prorated = windows_share.part(pl.col("amount"), pl.lit(value=True))
    return Decimal(whole.select(prorated).item())


def _apply_note(document: Document, note: Document) -> None:
    document.details["credit_note"] = {
        "subtotal": -note.subtotal,
        "tax": -note.tax,
        "total": -note.total,
    }
    # What is paid back is not used for the invoice.
    if "refund" not in note.details:
        document.credits_applied += min(-note.total, document.total)


def _wallets(read: Case) -> list[Grant]:
    held = []
    told = [*read.given.get("wallets", ()), *read.given.get("credits", ())]
    for number, one in enumerate(told):
        refuse_unknown("wallet field", one, _WALLET)
        # Money of another currency pays nothing: it is never converted.
        if one.get("currency", read.currency) != read.currency:
            continue
        amount = _bought(one, read.places)
        granted = _granted(one.get("granted"), number)
        expires = datetime.fromisoformat(one["expires"]) if one.get("expires") else None
        if expires is not None and expires.tzinfo is None:
            expires = expires.replace(tzinfo=UTC)
        name = str(one.get("id", one.get("name", number)))
        priority = int(one.get("priority", 50))
        kind = one.get("kind", one.get("type", one.get("status", "purchased")))
        if kind == _ACCOUNT:
            name, kind = _ACCOUNT, "paid"
        if kind not in _FREE | {"purchased", "paid"}:
            raise NotSupported(f"wallet of kind {kind}")
        paid_for = None if kind in _FREE else Decimal(1)
        grant = Grant(
            *("customer", "money", name, amount, NOW, "paid", expires, None, priority, paid_for)
        )
        held.append(grant._replace(granted_at=granted))
    return held


def _bought(one: Mapping[str, Any], places: int) -> Decimal:
    """The money of a wallet; of credits with a rate, rounded when they were bought."""
    if one.get("credits") is None:
        return Decimal(one.get("amount", one.get("balance")))
    rate = Decimal(one.get("rate", one.get("rate_amount", "1")))
    return round_half_away(Decimal(one["credits"]) * rate, places)


def _granted(told: str | None, number: int) -> datetime:
    if told is None:
        return NOW + timedelta(microseconds=number)
    if told.isdigit():
        return NOW + timedelta(days=int(told), microseconds=number)
    at = datetime.fromisoformat(told)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) + timedelta(microseconds=number)


def _pay(document: Document, wallets: list[Grant]) -> list[Grant]:
    """The document paid from wallets; what is left of them."""
    if not wallets:
        return wallets
    taken, left = paid(wallets, document.total, document.invoice_date or date.max)
    document.credits_applied += sum(taken, ZERO)
    document.details |= {"drawdown": taken, "remaining": left}
    is_plain = len(left) == 1 and wallets[0].grant_id == "0"
    names = ["wallet"] if is_plain else [grant.grant_id for grant in wallets]
    document.details["balances"] = dict(zip(names, left, strict=True))
    return [grant._replace(amount=rest) for grant, rest in zip(wallets, left, strict=True)]


def _asked(
    found: Sequence[Document], looks: Sequence[date], case: Mapping[str, Any]
) -> list[Document]:
    """The documents of the days looked at; credit notes where the case publishes them apart."""
    apart = any(one.get("document") == "credit_note" for one in case["expect"])
    return [
        one
        for one in found
        if one.invoice_date in looks
        and one.lines
        and (apart or one.details.get("document") != "credit_note")
    ]
