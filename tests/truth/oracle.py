"""What the test book must bill, worked out slowly from records with fractions and zoneinfo.

Shares no code with the product: one loop over contracts, windows and records.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

PLACES = {"USD": 2, "JPY": 0, "KWD": 3}
UNTIL_EVER = date(9999, 1, 1)


def documents(book, events, through):
    """The documents due through a day, each as plain values; see `document` for their shape."""
    groups = {}
    for contract in _contracts(book):
        for line in _lines(book, contract, events):
            if line["due"] <= through:
                groups.setdefault((contract["id"], line["due"]), []).append(line)
    lives = {one["id"]: one for one in _contracts(book)}
    return in_order(document(book, lives[id], due, lines) for (id, due), lines in groups.items())


def document(book, contract, due, lines):
    """One document: contract, customer, dates, currency, lines, net, tax and total as text."""
    payer = contract.get("payer", contract["customer"])
    tax = book["customer", payer, None]["tax"]
    places = PLACES[contract["currency"]]
    net = sum((Fraction(line["amount"]) for line in lines), Fraction(0))
    charged = rounded(net * Fraction(tax.get("rate", "0")), places)
    days = book["payment_terms", contract["payment_terms"], None]["net_days"]
    return {
        "contract": contract["id"],
        "customer": payer,
        "currency": contract["currency"],
        "invoice_date": due.isoformat(),
        "due_date": (due + timedelta(days=days)).isoformat(),
        "lines": sorted(
            (line["item"], line["start"], line["end"], line["quantity"], line["amount"])
            for line in lines
        ),
        "net": text(net, places),
        "tax": text(charged, places),
        "total": text(net + charged, places),
    }


def sums(book, events, through):
    """Amount by contract, item and window, of the windows due through a day; zeros left out."""
    found = {}
    for contract in _contracts(book):
        for line in _lines(book, contract, events):
            amount = Decimal(line["amount"])
            if line["due"] <= through and amount:
                days = date.fromisoformat(line["start"]), date.fromisoformat(line["end"])
                found[contract["id"], line["item"], *days] = amount
    return found


def rounded(value, places):
    """Half away from zero, to so many decimal places."""
    scaled = abs(value) * 10**places
    whole = int(scaled + Fraction(1, 2))
    return Fraction(whole if value >= 0 else -whole, 10**places)


def in_order(found):
    """Documents in the order of `documents`."""
    return sorted(found, key=lambda one: (one["contract"], one["invoice_date"]))


def text(value, places):
    """A decimal text with exactly so many places."""
    return str(Decimal(int(value * 10**places)).scaleb(-places))


def windows(contract):
    """(period start, period end, window start, window end) of each month of a contract."""
    start, end = contract["start"], contract.get("end") or date(2026, 3, 1)
    anchor = contract.get("anchor_day", start.day)
    month = date(start.year, start.month, 1) - timedelta(days=1)
    found = []
    while True:
        opening = _anchored(month, anchor)
        month = (date(month.year, month.month, 1) + timedelta(days=32)).replace(day=1)
        closing = _anchored(month, anchor)
        if opening >= end:
            return found
        if max(opening, start) < min(closing, end):
            found.append((opening, closing, max(opening, start), min(closing, end)))


def _anchored(month, anchor):
    return month.replace(day=min(anchor, monthrange(month.year, month.month)[1]))


def _contracts(book):
    """The newest slot of each contract, which says how long it lives."""
    ids = sorted({id for kind, id, _ in book if kind == "contract"})
    return [_slots(book, id)[-1][1] for id in ids]


def _slots(book, id):
    found = [
        (slot[2] or date.min, doc) for slot, doc in book.items() if slot[:2] == ("contract", id)
    ]
    return sorted(found, key=lambda pair: pair[0])


def _lines(book, contract, events):
    for opening, closing, start, end in windows(contract):
        in_force = [doc for since, doc in _slots(book, contract["id"]) if since <= start]
        if not in_force:
            continue
        for item in in_force[-1]["items"]:
            quantity, amount = _charge(book, contract, item, (opening, closing, start, end), events)
            timing = item.get(
                "timing", "advance" if item["price"]["model"] == "flat" else "arrears"
            )
            places = PLACES[contract["currency"]]
            yield {
                "item": item["id"],
                "start": start.isoformat(),
                "end": end.isoformat(),
                "due": start if timing == "advance" else end,
                "quantity": f"{Decimal(quantity):.12f}",
                "amount": text(rounded(amount, places), places),
            }


def _charge(book, contract, item, window, events):
    opening, closing, start, end = window
    price = item["price"]
    if price["model"] == "flat":
        edges = {"start": True, "end": True, **item.get("prorate", {})}
        first = start if edges["start"] else opening
        last = end if edges["end"] else closing
        part = Fraction((last - first).days, (closing - opening).days)
        quantity = Decimal(item.get("quantity", "1"))
        return quantity, Fraction(price["amount"]) * Fraction(quantity) * part
    used = _used(book, contract, item["meter"], start, end, events)
    if price["model"] == "per_unit":
        return used, Fraction(used) * Fraction(price["unit_amount"]) / Fraction(price.get("per", 1))
    return used, _graduated(Fraction(used), price)


def _graduated(used, price):
    tiers = price["tiers"]
    if not used:
        return Fraction(tiers[0].get("flat_amount", "0"))
    total, below = Fraction(0), Fraction(0)
    for tier in tiers:
        if used <= below:
            break
        top = used if tier["up_to"] is None else min(used, Fraction(tier["up_to"]))
        total += (top - below) * Fraction(tier["unit_amount"])
        total += Fraction(tier.get("flat_amount", "0"))
        below = top
    return total


def _used(book, contract, meter_id, start, end, events):
    meter = book["meter", meter_id, None]
    zone = ZoneInfo(contract["zone"])
    begins, ends = (datetime.combine(d, time(), zone).astimezone(UTC) for d in (start, end))
    total = Decimal(0)
    for event in events:
        at = datetime.fromisoformat(event.time).astimezone(UTC)
        data = dict(event.data)
        passes = all(data.get(k) in values for k, values in meter.get("filter", {}).items())
        if (
            event.type == meter["event_type"]
            and begins <= at < ends
            and passes
            and _customer(book, event.subject, at) == contract["customer"]
        ):
            total += 1 if meter["aggregation"] == "count" else Decimal(str(data[meter["property"]]))
    return total


def _customer(book, subject, at):
    for (kind, id, _), document in book.items():
        if kind != "customer":
            continue
        names = [id, document.get("external_id")]
        for alias in document.get("aliases", ()):
            until = date.fromisoformat(str(alias.get("until", UNTIL_EVER)))
            if at.date() < until:
                names.append(alias["value"])
        if subject in names:
            return id
    return None


def shown(content):
    """An issued document's content in the shape of `document`."""
    return {
        "contract": content["lines"][0]["contract"],
        "customer": content["buyer"]["id"],
        "currency": content["currency"],
        "invoice_date": content["dates"]["invoice_date"],
        "due_date": content["dates"]["due_date"],
        "lines": sorted(
            (
                line["item"],
                line["service"]["start"],
                line["service"]["end"],
                line["quantity"],
                line["amount"],
            )
            for line in content["lines"]
        ),
        "net": content["net"],
        "tax": content["tax_total"],
        "total": content["total"],
    }
