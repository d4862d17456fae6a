"""The business terms as UBL 2.1: an Invoice or a CreditNote, with the profile of Peppol BIS 3."""

from decimal import Decimal
from xml.etree import ElementTree

from meterhouse.einvoice import codes
from meterhouse.einvoice.terms import Einvoice, EinvoiceLine, Party, TaxGroup

CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
ROOT = "urn:oasis:names:specification:ubl:schema:xsd:{}-2"
CUSTOMIZATION = (
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
)  # fmt: skip
PROFILE = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"


def ubl(document: Einvoice) -> bytes:
    """The document as XML in UTF-8."""
    return _Writer(document).written()


class _Writer:
    def __init__(self, document: Einvoice) -> None:
        self.of = document
        self.is_credit = document.kind == codes.CREDIT_NOTE
        self.name = "CreditNote" if self.is_credit else "Invoice"
        self.root = ElementTree.Element(f"{{{ROOT.format(self.name)}}}{self.name}")

    def written(self) -> bytes:
        self.head()
        self.party("AccountingSupplierParty", self.of.seller, is_seller=True)
        self.party("AccountingCustomerParty", self.of.buyer, is_seller=False)
        self.payment()
        self.taxes()
        self.totals()
        for line in self.of.lines:
            self.line(line)
        ElementTree.register_namespace("", ROOT.format(self.name))
        ElementTree.register_namespace("cac", CAC)
        ElementTree.register_namespace("cbc", CBC)
        return bytes(ElementTree.tostring(self.root, encoding="utf-8", xml_declaration=True))

    def head(self) -> None:
        of = self.of
        basic(self.root, "CustomizationID", CUSTOMIZATION)
        basic(self.root, "ProfileID", PROFILE)
        basic(self.root, "ID", of.number)
        basic(self.root, "IssueDate", of.issued_on.isoformat())
        if of.due_on and not self.is_credit:
            basic(self.root, "DueDate", of.due_on.isoformat())
        basic(self.root, f"{self.name}TypeCode", of.kind)
        basic(self.root, "DocumentCurrencyCode", of.currency)
        basic(self.root, "TaxCurrencyCode", of.tax_told[0] if of.tax_told else None)
        # One of the two is needed; a buyer without an order is told by its id.
        basic(self.root, "BuyerReference", of.purchase_order or of.buyer.id)
        first_on, last_on = of.period
        period(self.root, first_on.isoformat(), last_on.isoformat())
        if of.purchase_order:
            basic(part(self.root, "OrderReference"), "ID", of.purchase_order)
        for number, issued_on in of.preceding:
            earlier = part(part(self.root, "BillingReference"), "InvoiceDocumentReference")
            basic(earlier, "ID", number)
            basic(earlier, "IssueDate", issued_on.isoformat() if issued_on else None)

    def party(self, role: str, party: Party, *, is_seller: bool) -> None:
        found = part(part(self.root, role), "Party")
        if party.endpoint is not None:
            basic(found, "EndpointID", party.endpoint[0], schemeID=party.endpoint[1])
        if is_seller and party.vat_id is None and party.legal_id is None:
            basic(part(found, "PartyIdentification"), "ID", party.id)
        self.address(found, party)
        if party.vat_id is not None:
            scheme = part(found, "PartyTaxScheme")
            basic(scheme, "CompanyID", party.vat_id)
            basic(part(scheme, "TaxScheme"), "ID", "VAT")
        legal = part(found, "PartyLegalEntity")
        basic(legal, "RegistrationName", party.name)
        basic(legal, "CompanyID", party.legal_id)

    def address(self, above: ElementTree.Element, party: Party) -> None:
        found = part(above, "PostalAddress")
        for name, line in zip(("StreetName", "AdditionalStreetName"), party.lines, strict=False):
            basic(found, name, line)
        basic(found, "CityName", party.city)
        basic(found, "PostalZone", party.postal_code)
        basic(found, "CountrySubentity", party.region)
        basic(part(found, "Country"), "IdentificationCode", party.country)

    def payment(self) -> None:
        of = self.of
        if of.iban:
            means = part(self.root, "PaymentMeans")
            code = codes.SEPA_CREDIT_TRANSFER if of.currency == "EUR" else codes.CREDIT_TRANSFER
            basic(means, "PaymentMeansCode", code)
            basic(means, "PaymentID", of.number)
            account = part(means, "PayeeFinancialAccount")
            basic(account, "ID", of.iban)
            basic(account, "Name", of.account_name)
            if of.bic:
                basic(part(account, "FinancialInstitutionBranch"), "ID", of.bic)
        basic(part(self.root, "PaymentTerms"), "Note", of.terms)

    def taxes(self) -> None:
        total = part(self.root, "TaxTotal")
        self.amount(total, "TaxAmount", self.of.tax)
        for group in self.of.taxes:
            found = part(total, "TaxSubtotal")
            self.amount(found, "TaxableAmount", group.base)
            self.amount(found, "TaxAmount", group.amount)
            self.category(found, "TaxCategory", group, is_told=True)
        if self.of.tax_told is not None:
            currency, tax = self.of.tax_told
            basic(part(self.root, "TaxTotal"), "TaxAmount", plain(tax), currencyID=currency)

    def category(
        self, above: ElementTree.Element, name: str, group: TaxGroup, *, is_told: bool
    ) -> None:
        found = part(above, name)
        basic(found, "ID", group.category)
        basic(found, "Percent", None if group.percent is None else plain(group.percent))
        if is_told:
            basic(found, "TaxExemptionReasonCode", group.reason_code)
            basic(found, "TaxExemptionReason", group.reason)
        basic(part(found, "TaxScheme"), "ID", "VAT")

    def totals(self) -> None:
        found = part(self.root, "LegalMonetaryTotal")
        self.amount(found, "LineExtensionAmount", self.of.net)
        self.amount(found, "TaxExclusiveAmount", self.of.net)
        self.amount(found, "TaxInclusiveAmount", self.of.gross)
        if self.of.prepaid:
            self.amount(found, "PrepaidAmount", self.of.prepaid)
        self.amount(found, "PayableAmount", self.of.payable)

    def line(self, line: EinvoiceLine) -> None:
        found = part(self.root, f"{self.name}Line")
        basic(found, "ID", line.number)
        basic(found, "Note", line.note)
        asked = "CreditedQuantity" if self.is_credit else "InvoicedQuantity"
        basic(found, asked, plain(line.quantity), unitCode=line.unit_code)
        self.amount(found, "LineExtensionAmount", line.net)
        period(found, line.first_on.isoformat(), line.last_on.isoformat())
        item = part(found, "Item")
        basic(item, "Name", line.name)
        self.category(item, "ClassifiedTaxCategory", self.of.taxes[line.group], is_told=False)
        self.amount(part(found, "Price"), "PriceAmount", line.price)

    def amount(self, above: ElementTree.Element, name: str, amount: Decimal) -> None:
        basic(above, name, plain(amount), currencyID=self.of.currency)


def part(above: ElementTree.Element, name: str) -> ElementTree.Element:
    """A new aggregate below another."""
    return ElementTree.SubElement(above, f"{{{CAC}}}{name}")


def basic(above: ElementTree.Element, name: str, text: str | None, **attributes: str) -> None:
    """A new element with text; none where there is no text, for empty ones are refused."""
    if text:
        ElementTree.SubElement(above, f"{{{CBC}}}{name}", attributes).text = text


def period(above: ElementTree.Element, first_on: str, last_on: str) -> None:
    """The days a line or document is for, both of them in it."""
    found = part(above, "InvoicePeriod")
    basic(found, "StartDate", first_on)
    basic(found, "EndDate", last_on)


def plain(number: Decimal) -> str:
    """A decimal without exponent and without needless places, but two at least."""
    short = number.normalize()
    exponent = short.as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    return format(short, f".{places}f")
