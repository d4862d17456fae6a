"""A document as it is printed: every text already written out, in the order of the page.

Made from the canonical JSON and nothing else that has an amount; PDF and HTML print the same
object, so they cannot differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from meterhouse.catalog.fields import plain
from meterhouse.money import PLACES
from meterhouse.pricing.order import MODIFIERS
from meterhouse.rendering.formats import Formats, formats
from meterhouse.rendering.labels import labels, languages
from meterhouse.rendering.presentation import Payment, Presentation

TAX_ID_NAMES = {"eu_vat": "VAT", "us_ein": "EIN", "gb_vat": "VAT", "jp_trn": "登録番号"}
# Steps that are printed below their line, and prices whose tiers set one amount that the line has.
_SHOWN = frozenset({"tier", "prorated_tier", "cell"})
_BEFORE = frozenset({"earlier", "charged_before"})
_ONE_AMOUNT = frozenset({"capacity", "two_dimensional"})
Pair = tuple[str, str]


@dataclass(frozen=True)
class Party:
    """Seller or buyer: name, and the lines below it."""

    name: str
    lines: tuple[str, ...]
    tax_ids: tuple[str, ...]


@dataclass(frozen=True)
class Tier:
    """One tier that was reached; the amount is the unrounded one."""

    units: str
    quantity: str
    unit_price: str
    amount: str


@dataclass(frozen=True)
class Line:
    """One line; `dimensions` say of what part of the usage it is, `notes` what is unusual."""

    number: int
    description: str
    dimensions: str
    period: str
    notes: tuple[str, ...]
    quantity: str
    unit: str
    unit_price: str
    amount: str
    tiers: tuple[Tier, ...]


@dataclass(frozen=True)
class Printable:
    """One document; `sums` end with the total, `dues` say what was paid and what is due."""

    language: str
    is_rtl: bool
    paper: str
    accent: str
    title: str
    number: str
    draft: str | None
    issued_on: str
    seller: Party
    contact: tuple[str, ...]
    buyer: Party
    particulars: tuple[Pair, ...]
    lines: tuple[Line, ...]
    sums: tuple[Pair, ...]
    total: Pair
    dues: tuple[Pair, ...]
    as_of: str | None
    bank: tuple[Pair, ...]
    terms: str
    notes: tuple[str, ...]
    footer: str | None
    labels: dict[str, str]

    @property
    def name(self) -> str:
        """What a person calls it: Invoice us-2025-000001."""
        return f"{self.title} {self.number}"


def printable(
    content: dict[str, Any],
    look: Presentation,
    payment: Payment | None = None,
    draft_id: str | None = None,
) -> Printable:
    """The canonical content of a document, issued or (with `draft_id`) not, ready for a page."""
    form = formats(look.locale, languages())
    words = labels(form.locale.language)
    writer = _Writer(content, form, words)
    state = payment or Payment.at_issue(content)
    return Printable(
        language=form.tag,
        is_rtl=form.is_rtl,
        paper=form.paper,
        accent=look.accent,
        title=words[content["kind"]],
        number=content["issue"]["number"] if draft_id is None else draft_id[:8],
        draft=None if draft_id is None else words["draft"],
        issued_on=content["dates"]["invoice_date"],
        seller=writer.party(content["seller"], "legal_name"),
        contact=look.contact,
        buyer=writer.party(content["buyer"], "name"),
        particulars=tuple(writer.particulars(draft_id)),
        lines=tuple(writer.line(line) for line in content["lines"]),
        sums=tuple(writer.sums()),
        total=(words["total"], writer.money(content["total"])),
        dues=() if state is None else tuple(writer.dues(state)),
        as_of=None if state is None else words["as_of"].format(date=form.day(state.as_of)),
        bank=tuple(writer.bank()),
        terms=writer.terms(),
        notes=tuple(writer.notes()),
        footer=look.footer,
        labels={**words, "amount": words["amount"].format(currency=content["currency"])},
    )


@dataclass(frozen=True)
class _Writer:
    content: dict[str, Any]
    form: Formats
    words: dict[str, str]

    def money(self, amount: str | None) -> str:
        if amount is None:
            return self.words["undecided"]
        return self.form.money(amount, self.content["currency"])

    def amount(self, amount: str) -> str:
        return self.form.amount(amount, self.content["currency"])

    def day(self, text: str) -> str:
        return self.form.day(date.fromisoformat(text))

    def party(self, party: dict[str, Any] | None, name: str) -> Party:
        """A draft may name a seller or buyer that is not in the book."""
        if party is None:
            return Party("–", (), ())
        tax_ids = (self._tax_id(one) for one in party.get("tax_ids") or ())
        email = (party["email"],) if party.get("email") else ()
        return Party(party[name], (*self.form.address(party["address"]), *email), tuple(tax_ids))

    def _tax_id(self, tax_id: dict[str, str]) -> str:
        kind = tax_id["type"]
        return f"{TAX_ID_NAMES.get(kind, kind.replace('_', ' ').upper())} {tax_id['value']}"

    def particulars(self, draft_id: str | None) -> Iterator[Pair]:
        content, words = self.content, self.words
        is_invoice = content["kind"] == "invoice"
        yield words["number"], content["issue"]["number"] if draft_id is None else draft_id[:8]
        yield words["invoice_date"], self.day(content["dates"]["invoice_date"])
        if is_invoice and content["dates"]["due_date"]:
            yield words["due_date"], self.day(content["dates"]["due_date"])
        if content["lines"]:
            yield words["service_period"], self._whole_period()
        originals = [line["correction"] for line in content["lines"] if line["correction"]]
        numbers = sorted({one["original_number"] or "–" for one in originals})
        if numbers:
            yield words["corrects"], ", ".join(numbers)
        if content["purchase_order"]:
            yield words["purchase_order"], content["purchase_order"]
        if content["buyer"]:
            yield words["customer_number"], content["buyer"]["id"]
        yield words["currency"], content["currency"]

    def _whole_period(self) -> str:
        services = [line["service"] for line in self.content["lines"]]
        start = min(date.fromisoformat(one["start"]) for one in services)
        return self.form.period(start, max(date.fromisoformat(one["end"]) for one in services))

    def line(self, line: dict[str, Any]) -> Line:
        service, steps = line["service"], line["steps"]
        tiers = [step for step in steps if step["step"] in _SHOWN]
        if tiers:  # Beside tiers of a whole period, what of it was charged before.
            tiers += [s for s in steps if s["step"] in _BEFORE and Decimal(s["amount"])]
        days = (date.fromisoformat(service[name]) for name in ("start", "end"))
        return Line(
            number=line["line_no"],
            description=line["description"] or line["item"],
            dimensions=", ".join(self._told_apart(line)),
            period=self.form.period(*days),
            notes=tuple(self._line_notes(line)),
            quantity=self.form.number(line["quantity"]),
            unit=line["meter"]["unit"] or "" if line["meter"] else "",
            unit_price=self._unit_price(line["price"], bool(tiers)),
            amount=self.amount(line["amount"]),
            tiers=tuple(self._tier(step) for step in tiers),
        )

    def _line_notes(self, line: dict[str, Any]) -> Iterator[str]:
        for step in line["steps"]:
            if step["step"] == "free" and Decimal(step["quantity"]):
                yield self.words["free_units"].format(units=self.form.number(step["quantity"]))
            if step.get("days") != step.get("period_days"):
                said = "days_credited" if step["step"] == "unused" else "days_charged"
                yield self.words[said].format(days=step["days"], period_days=step["period_days"])
        correction = line["correction"]
        if correction:
            issued_on = correction.get("original_date")
            yield self.words["corrected"].format(
                number=correction["original_number"] or "–",
                date=self.day(issued_on) if issued_on else "–",
                desired=self.amount(correction["desired"]),
                billed=self.amount(correction["already_billed"]),
            )
            if "reason" in correction:
                yield self.words[f"cause_{correction['reason']}"]
        if "progress" in line:
            yield self._progress(line["progress"])
        if "tax_included" in line:
            held = Decimal(line["tax_included"])
            priced = format(Decimal(line["amount"]) + held, "f")
            yield self.words["tax_included"].format(
                priced=self.amount(priced), tax=self.amount(line["tax_included"])
            )

    def _progress(self, progress: dict[str, Any]) -> str:
        """What a threshold billed of the line before its period was over."""
        issued_on = progress["original_date"]
        return self.words["so_far" if progress["goes_on"] else "billed_before"].format(
            number=progress["original_number"] or "–",
            date=self.day(issued_on) if issued_on else "–",
            desired=self.amount(progress["desired"]),
            billed=self.amount(progress["already_billed"]),
        )

    def _told_apart(self, line: dict[str, Any]) -> Iterator[str]:
        """Of what part of the usage it is, and of which contract where the document has several."""
        if len({one.get("contract") for one in self.content["lines"]}) > 1:
            yield f"{self.words['contract']}: {line['contract']}"
        # The text of a discount, a credit or a limit names its item already.
        if line.get("component") not in MODIFIERS:
            yield from _dimensions(line.get("dimensions") or {})

    def _unit_price(self, price: dict[str, Any] | None, has_tiers: bool) -> str:
        if not price:
            return ""
        if "tiers" in price:
            is_told = has_tiers and price["model"] not in _ONE_AMOUNT
            return self.words["see_tiers"] if is_told else ""
        if "rate" in price:
            return self.form.percent(price["rate"])
        if "bps" in price:  # exact: a basis point is a hundredth of a per cent.
            return self.form.percent(plain(Decimal(price["bps"]).scaleb(-4)))
        amount = price.get("unit_amount", price.get("amount", price.get("package_amount")))
        if amount is None:
            return ""
        per = price.get("per", price.get("package_size")) or "1"
        text = self._price(amount)
        if per == "1":
            return text
        return self.words["per"].format(amount=text, per=self.form.number(per))

    def _price(self, amount: str) -> str:
        return self.form.number(amount, PLACES[self.content["currency"]])

    def _tier(self, step: dict[str, Any]) -> Tier:
        if step["step"] in _BEFORE:
            amount = self._price(step["amount"])
            return Tier(self.words["charged_before"], "", "", amount)
        if "from" not in step:
            return self._cell(step)
        start = self.form.number(step["from"])
        units = self.words["tier_over"].format(**{"from": start})
        if step["to"] is not None:
            units = f"{start} – {self.form.number(step['to'])}"
        price = " + ".join(self._tier_prices(step))
        quantity = self.form.number(step["quantity"])
        return Tier(units, quantity, price, self._price(step["amount"]))

    def _cell(self, step: dict[str, Any]) -> Tier:
        """A cell of a matrix: its dimension values, and what all its units cost."""
        keys = {name: _listed(values) for name, values in (step["keys"] or {}).items()}
        quantity = self.form.number(step["quantity"])
        told = ", ".join(_dimensions(keys)) or "–"
        return Tier(told, quantity, "", self._price(step["amount"]))

    def _tier_prices(self, step: dict[str, Any]) -> Iterator[str]:
        """What a tier charges: a unit or a rate, packages, and a flat amount, where it has them."""
        unit, size, flat = (
            step.get(name) for name in ("unit_amount", "package_size", "flat_amount")
        )
        if "rate" in step:
            yield self.form.percent(step["rate"])
        elif unit is not None and (size is None or Decimal(unit)):
            yield self._price(unit)
        if size is not None:
            amount = self._price(step["package_amount"])
            yield self.words["per"].format(amount=amount, per=self.form.number(size))
        if flat is not None and Decimal(flat):
            yield self._price(flat)

    def sums(self) -> Iterator[Pair]:
        yield self.words["net"], self.money(self.content["net"])
        for tax in self.content["tax"]:
            yield self._tax_name(tax), self.money(tax["amount"])

    def _tax_elsewhere(self, told: dict[str, Any]) -> str:
        """The tax in the currency in which the seller accounts for it."""
        return self.words["tax_elsewhere"].format(
            currency=told["currency"],
            tax=self.form.money(told["tax_total"], told["currency"]),
            of=self.content["currency"],
            rate=self.form.number(told["rate"]),
            source=told["source"],
            date=self.day(told["date"]),
        )

    def _tax_name(self, tax: dict[str, Any]) -> str:
        is_taxed = tax["treatment"] == "taxed"
        name = (tax["name"] or self.words["tax"]) if is_taxed else self.words[tax["treatment"]]
        rate = self.form.percent(tax["rate"]) if tax["rate"] is not None else ""
        text = self.words["tax_on"].format(name=name, rate=rate, base=self.money(tax["base"]))
        return text.replace("  ", " ")

    def dues(self, state: Payment) -> Iterator[Pair]:
        """A credit is told as what the buyer gets, not as a negative debt."""
        if state.paid:
            yield self.words["paid"], self.money(plain(state.paid))
        label = "credit_due" if state.due < 0 else "amount_due"
        yield self.words[label], self.money(plain(abs(state.due)))

    def bank(self) -> Iterator[Pair]:
        bank = (self.content["seller"] or {}).get("bank") or {}
        iban = bank.get("iban") or ""
        spaced = " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))
        texts = {"account_name": bank.get("account_name"), "iban": spaced, "bic": bank.get("bic")}
        yield from ((self.words[name], text) for name, text in texts.items() if text)

    def terms(self) -> str:
        terms = self.content["terms"]
        if self.content["kind"] != "invoice" or terms["net_days"] is None:
            return ""
        return terms["description"] or self.words["net_days"].format(days=terms["net_days"])

    def notes(self) -> Iterator[str]:
        if self.content.get("note"):
            yield self.content["note"]
        if "tax_accounting" in self.content:
            yield self._tax_elsewhere(self.content["tax_accounting"])
        # Several taxes may be left out for one reason.
        yield from dict.fromkeys(tax["reason"] for tax in self.content["tax"] if tax["reason"])
        if self.content["lines"]:
            yield self.words["includes_last_day"]


def _listed(values: Any) -> Any:
    return "/".join(values) if isinstance(values, list) else values


def _dimensions(values: dict[str, Any]) -> Iterator[str]:
    """Each value with the name of its property; an event without one has none."""
    for name, value in sorted(values.items()):
        shown = str(value).lower() if isinstance(value, bool) else value
        yield f"{name.replace('_', ' ')}: {'–' if shown is None else shown}"
