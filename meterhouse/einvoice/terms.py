"""A document in the business terms of EN 16931 (BT, BG), from its canonical JSON."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from meterhouse.einvoice import codes
from meterhouse.einvoice.pieces import pieces_of
from meterhouse.errors import MeterhouseError
from meterhouse.money import PLACES


class NotAnEinvoice(MeterhouseError):
    """A document that lacks what EN 16931 asks for."""

    def __init__(self, name: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            f"Document {name} is no e-invoice: {'; '.join(faults)}. Nothing of it was written. The "
            "document stays as it is; correct the book, and what is issued next can be one."
        )


class Party(NamedTuple):
    """Seller (BG-4) or buyer (BG-7); `endpoint` is an address and its scheme (BT-34, BT-49)."""

    id: str
    name: str
    lines: tuple[str, ...]
    city: str | None
    postal_code: str | None
    region: str | None
    country: str
    vat_id: str | None
    legal_id: str | None
    endpoint: tuple[str, str] | None


class TaxGroup(NamedTuple):
    """The base and tax of one category and rate (BG-23); `percent` is null out of scope."""

    category: str
    percent: Decimal | None
    base: Decimal
    amount: Decimal
    reason: str | None
    reason_code: str | None


class EinvoiceLine(NamedTuple):
    """One line (BG-25): quantity times price is its net. `last_on` is in the period; `group` is
    the place of its tax among those of the document, from 0."""

    number: str
    name: str
    note: str | None
    quantity: Decimal
    unit_code: str
    price: Decimal
    net: Decimal
    first_on: date
    last_on: date
    group: int = 0


class Einvoice(NamedTuple):
    """A whole document. Each line is of one of its tax groups; its sums are never below 0."""

    number: str
    kind: str  # codes.INVOICE or codes.CREDIT_NOTE
    issued_on: date
    due_on: date | None
    currency: str
    purchase_order: str | None
    seller: Party
    buyer: Party
    account_name: str | None
    iban: str | None
    bic: str | None
    terms: str
    preceding: tuple[tuple[str, date | None], ...]
    taxes: tuple[TaxGroup, ...]
    lines: tuple[EinvoiceLine, ...]
    net: Decimal
    tax: Decimal
    gross: Decimal
    prepaid: Decimal
    # Currency in which the seller accounts for taxes, and the tax in it (BT-6, BT-111).
    tax_told: tuple[str, Decimal] | None = None

    @property
    def payable(self) -> Decimal:
        """What is left to pay (BT-115)."""
        return self.gross - self.prepaid

    @property
    def period(self) -> tuple[date, date]:
        """First and last day that any line is for (BG-14)."""
        return min(one.first_on for one in self.lines), max(one.last_on for one in self.lines)


def einvoice_of(document: Mapping[str, Any]) -> Einvoice:
    """The terms of an issued document. Raises NotAnEinvoice with all that it lacks."""
    name = str((document.get("issue") or {}).get("number") or "without a number")
    faults = list(_faults(document))
    if faults:
        raise NotAnEinvoice(name, faults)
    sign = -1 if document["kind"] == "credit_note" else 1
    groups = _groups(document, sign)
    is_outside = groups[0].category == "O"
    bank = document["seller"]["bank"] or {}
    accounting = document.get("tax_accounting")
    amount = {key: sign * Decimal(document[key]) for key in ("net", "tax_total", "total")}
    return Einvoice(
        number=name,
        kind=codes.INVOICE if sign == 1 else codes.CREDIT_NOTE,
        issued_on=date.fromisoformat(document["dates"]["invoice_date"]),
        due_on=_day(document["dates"]["due_date"]),
        currency=document["currency"],
        purchase_order=document["purchase_order"],
        seller=_party(document["seller"], "legal_name", is_outside=is_outside),
        buyer=_party(document["buyer"], "name", is_outside=is_outside),
        account_name=bank.get("account_name"),
        iban=bank.get("iban"),
        bic=bank.get("bic"),
        terms=document["terms"]["description"] or f"Net {document['terms']['net_days']} days",
        preceding=_preceding(document["lines"]),
        taxes=groups,
        lines=tuple(_lines(document, sign, groups)),
        net=amount["net"],
        tax=amount["tax_total"],
        gross=amount["total"],
        prepaid=sign
        * sum(
            (Decimal(document.get(of) or 0) for of in ("prepaid_applied", "balance_applied")),
            Decimal(0),
        ),
        tax_told=(accounting["currency"], sign * Decimal(accounting["tax_total"]))
        if accounting
        else None,
    )


def _faults(document: Mapping[str, Any]) -> Iterator[str]:
    seller, buyer = document["seller"], document["buyer"]
    if not (document.get("issue") or {}).get("number"):
        yield "it has no number, because it is not issued"
    if not (buyer["address"] or {}).get("country"):
        yield f"customer {buyer['id']} has no `address` with a `country`"
    places = PLACES[document["currency"]]
    if places > codes.MOST_PLACES:
        yield f"{document['currency']} has {places} places, and two can be written"
    if not document["tax"]:
        yield f"customer {buyer['id']} has no tax decision"
        return
    if any(len((line.get("tax") or {}).get("shares", ())) > 1 for line in document["lines"]):
        yield "a line has several taxes, and the norm has one for each line"
    elif sum(Decimal(tax["base"]) for tax in document["tax"]) != Decimal(document["net"]):
        yield "it sells prepaid credit, which is not taxed yet, and the norm has no such line"
    kinds = {codes.category(tax["treatment"], _rate(tax)) for tax in document["tax"]}
    if "O" in kinds and len(kinds) > 1:
        yield "a part of it is out of scope of tax, which the norm has for whole documents only"
    if kinds != {"O"} and _vat_id(seller) is None:
        yield f"entity {seller['id']} has no VAT number (one of `tax_ids` whose type ends in `vat`)"
    if "AE" in kinds and _vat_id(buyer) is None:
        yield f"customer {buyer['id']} has no VAT number, which reverse charge needs"


def _rate(tax: Mapping[str, Any]) -> Decimal | None:
    return None if tax["rate"] is None else Decimal(tax["rate"])


def _groups(document: Mapping[str, Any], sign: int) -> tuple[TaxGroup, ...]:
    """One group per category and rate, as the norm has them; their reasons are told together."""
    found: dict[tuple[str, Decimal | None], TaxGroup] = {}
    for tax in document["tax"]:
        one = _group(tax, sign)
        known = found.get((one.category, one.percent))
        found[one.category, one.percent] = one if known is None else _together(known, one)
    return tuple(found.values())


def _together(one: TaxGroup, other: TaxGroup) -> TaxGroup:
    reasons = dict.fromkeys(reason for reason in (one.reason, other.reason) if reason)
    return one._replace(
        base=one.base + other.base,
        amount=one.amount + other.amount,
        reason="; ".join(reasons) or None,
    )


def _place(line: Mapping[str, Any], document: Mapping[str, Any], groups: Sequence[TaxGroup]) -> int:
    """The group of a line; one that rules did not tax is of the document's only group."""
    shares = (line.get("tax") or {}).get("shares", ())
    row = _group(document["tax"][shares[0]["row"] - 1 if shares else 0], 1)
    return [(one.category, one.percent) for one in groups].index((row.category, row.percent))


def _group(tax: Mapping[str, Any], sign: int) -> TaxGroup:
    rate = _rate(tax)
    kind = codes.category(tax["treatment"], rate)
    percent = None if kind == "O" else (rate or Decimal(0)) * 100
    return TaxGroup(
        kind,
        percent,
        sign * Decimal(tax["base"]),
        sign * Decimal(tax["amount"]),
        None if kind in {"S", "Z"} else tax["reason"],
        codes.REASON_CODES.get(kind),
    )


def _vat_id(party: Mapping[str, Any]) -> str | None:
    found = [one["value"] for one in party["tax_ids"] if one["type"].lower().endswith("vat")]
    return found[0].replace(" ", "") if found else None


def _party(party: Mapping[str, Any], name: str, *, is_outside: bool) -> Party:
    """A party; a document out of scope of tax must not name VAT numbers (BR-O-02)."""
    address, vat_id = party["address"], _vat_id(party)
    others = [one["value"] for one in party["tax_ids"] if not one["type"].lower().endswith("vat")]
    return Party(
        id=party["id"],
        name=party[name],
        lines=tuple(line for line in (address.get("line1"), address.get("line2")) if line),
        city=address.get("city"),
        postal_code=address.get("postal_code"),
        region=address.get("region"),
        country=address["country"],
        vat_id=None if is_outside else vat_id,
        legal_id=others[0] if others else None,
        endpoint=_endpoint(vat_id, party.get("email")),
    )


def _endpoint(vat_id: str | None, email: str | None) -> tuple[str, str] | None:
    scheme = codes.VAT_ENDPOINTS.get((vat_id or "")[:2])
    if vat_id and scheme:
        return vat_id, scheme
    return (email, codes.EMAIL) if email else None


def _preceding(lines: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, date | None], ...]:
    """The documents that its lines correct (BG-3), each once, in the order of their numbers."""
    found = {
        one["correction"]["original_number"]: _day(one["correction"]["original_date"])
        for one in lines
        if one["correction"] and one["correction"]["original_number"]
    }
    return tuple(sorted(found.items()))


def _lines(
    document: Mapping[str, Any], sign: int, groups: Sequence[TaxGroup]
) -> Iterator[EinvoiceLine]:
    cent = Decimal(1).scaleb(-PLACES[document["currency"]])
    for line in document["lines"]:
        pieces = pieces_of(line, cent)
        for place, piece in enumerate(pieces, 1):
            number = str(line["line_no"]) if len(pieces) == 1 else f"{line['line_no']}.{place}"
            unit = (line["meter"] or {}).get("unit")
            yield EinvoiceLine(
                number=number,
                name=line["description"] or line["item"],
                note=_note(line, unit) if place == 1 else None,
                quantity=sign * piece.quantity,
                unit_code=codes.unit_code(unit) if piece.is_measured else codes.ONE,
                price=piece.price,
                net=sign * piece.net,
                first_on=date.fromisoformat(line["service"]["start"]),
                # The last day of a line is in it; the end of a window is not.
                last_on=date.fromisoformat(line["service"]["end"]) - timedelta(days=1),
                group=_place(line, document, groups),
            )


def _note(line: Mapping[str, Any], unit: str | None) -> str | None:
    """What was measured, and the document that is corrected."""
    told = []
    if line["meter"] is not None:
        quantity = format(Decimal(line["quantity"]).normalize(), "f")
        told.append(f"{quantity} {unit}" if unit else quantity)
    told += [f"{key}: {value}" for key, value in sorted((line["dimensions"] or {}).items())]
    if line["correction"] and line["correction"]["original_number"]:
        told.append(f"corrects {line['correction']['original_number']}")
    return ", ".join(told) or None


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
