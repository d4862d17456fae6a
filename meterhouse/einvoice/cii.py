"""The business terms as UN/CEFACT CII D22B, profile EN 16931: what Factur-X and ZUGFeRD carry."""

from datetime import date
from xml.etree import ElementTree

from meterhouse.einvoice import codes
from meterhouse.einvoice.terms import Einvoice, EinvoiceLine, Party, TaxGroup
from meterhouse.einvoice.ubl import plain

RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
QDT = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"
GUIDELINE = "urn:cen.eu:en16931:2017"
# CCYYMMDD, in the code list of date formats.
DAY_FORMAT = "102"


def cii(document: Einvoice) -> bytes:
    """The document as XML in UTF-8."""
    root = ElementTree.Element(f"{{{RSM}}}CrossIndustryInvoice")
    context = ElementTree.SubElement(root, f"{{{RSM}}}ExchangedDocumentContext")
    text(part(context, "GuidelineSpecifiedDocumentContextParameter"), "ID", GUIDELINE)
    head = ElementTree.SubElement(root, f"{{{RSM}}}ExchangedDocument")
    text(head, "ID", document.number)
    text(head, "TypeCode", document.kind)
    day(head, "IssueDateTime", document.issued_on)
    trade = ElementTree.SubElement(root, f"{{{RSM}}}SupplyChainTradeTransaction")
    for line in document.lines:
        _line(trade, line, document.taxes[line.group])
    _agreement(trade, document)
    part(trade, "ApplicableHeaderTradeDelivery")
    _settlement(trade, document)
    for prefix, uri in {"rsm": RSM, "ram": RAM, "udt": UDT, "qdt": QDT}.items():
        ElementTree.register_namespace(prefix, uri)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _line(trade: ElementTree.Element, line: EinvoiceLine, group: TaxGroup) -> None:
    found = part(trade, "IncludedSupplyChainTradeLineItem")
    about = part(found, "AssociatedDocumentLineDocument")
    text(about, "LineID", line.number)
    if line.note:
        text(part(about, "IncludedNote"), "Content", line.note)
    text(part(found, "SpecifiedTradeProduct"), "Name", line.name)
    agreed = part(found, "SpecifiedLineTradeAgreement")
    text(part(agreed, "NetPriceProductTradePrice"), "ChargeAmount", plain(line.price))
    delivered = part(found, "SpecifiedLineTradeDelivery")
    text(delivered, "BilledQuantity", plain(line.quantity), unitCode=line.unit_code)
    settled = part(found, "SpecifiedLineTradeSettlement")
    tax = part(settled, "ApplicableTradeTax")
    text(tax, "TypeCode", "VAT")
    text(tax, "CategoryCode", group.category)
    text(tax, "RateApplicablePercent", _percent(group))
    period(settled, line.first_on, line.last_on)
    sums = part(settled, "SpecifiedTradeSettlementLineMonetarySummation")
    text(sums, "LineTotalAmount", plain(line.net))


def _agreement(trade: ElementTree.Element, document: Einvoice) -> None:
    found = part(trade, "ApplicableHeaderTradeAgreement")
    text(found, "BuyerReference", document.purchase_order or document.buyer.id)
    _party(found, "SellerTradeParty", document.seller, is_seller=True)
    _party(found, "BuyerTradeParty", document.buyer, is_seller=False)
    if document.purchase_order:
        order = part(found, "BuyerOrderReferencedDocument")
        text(order, "IssuerAssignedID", document.purchase_order)


def _party(above: ElementTree.Element, role: str, party: Party, *, is_seller: bool) -> None:
    found = part(above, role)
    if is_seller and party.vat_id is None and party.legal_id is None:
        text(found, "ID", party.id)
    text(found, "Name", party.name)
    if party.legal_id:
        text(part(found, "SpecifiedLegalOrganization"), "ID", party.legal_id)
    address = part(found, "PostalTradeAddress")
    text(address, "PostcodeCode", party.postal_code)
    for name, line in zip(("LineOne", "LineTwo"), party.lines, strict=False):
        text(address, name, line)
    text(address, "CityName", party.city)
    text(address, "CountryID", party.country)
    text(address, "CountrySubDivisionName", party.region)
    if party.endpoint is not None:
        uri = part(found, "URIUniversalCommunication")
        text(uri, "URIID", party.endpoint[0], schemeID=party.endpoint[1])
    if party.vat_id is not None:
        text(part(found, "SpecifiedTaxRegistration"), "ID", party.vat_id, schemeID="VA")


def _settlement(trade: ElementTree.Element, document: Einvoice) -> None:
    found = part(trade, "ApplicableHeaderTradeSettlement")
    text(found, "PaymentReference", document.number)
    text(found, "TaxCurrencyCode", document.tax_told[0] if document.tax_told else None)
    text(found, "InvoiceCurrencyCode", document.currency)
    if document.iban:
        _means(found, document)
    for group in document.taxes:
        _tax(found, group)
    period(found, *document.period)
    terms = part(found, "SpecifiedTradePaymentTerms")
    text(terms, "Description", document.terms)
    if document.due_on:
        day(terms, "DueDateDateTime", document.due_on)
    _sums(found, document)
    for number, issued_on in document.preceding:
        earlier = part(found, "InvoiceReferencedDocument")
        text(earlier, "IssuerAssignedID", number)
        if issued_on:
            told = part(earlier, "FormattedIssueDateTime")
            string = ElementTree.SubElement(
                told, f"{{{QDT}}}DateTimeString", {"format": DAY_FORMAT}
            )
            string.text = issued_on.strftime("%Y%m%d")


def _means(above: ElementTree.Element, document: Einvoice) -> None:
    found = part(above, "SpecifiedTradeSettlementPaymentMeans")
    is_euro = document.currency == "EUR"
    text(found, "TypeCode", codes.SEPA_CREDIT_TRANSFER if is_euro else codes.CREDIT_TRANSFER)
    account = part(found, "PayeePartyCreditorFinancialAccount")
    text(account, "IBANID", document.iban)
    text(account, "AccountName", document.account_name)
    if document.bic:
        text(part(found, "PayeeSpecifiedCreditorFinancialInstitution"), "BICID", document.bic)


def _tax(above: ElementTree.Element, group: TaxGroup) -> None:
    found = part(above, "ApplicableTradeTax")
    text(found, "CalculatedAmount", plain(group.amount))
    text(found, "TypeCode", "VAT")
    text(found, "ExemptionReason", group.reason)
    text(found, "BasisAmount", plain(group.base))
    text(found, "CategoryCode", group.category)
    text(found, "ExemptionReasonCode", group.reason_code)
    text(found, "RateApplicablePercent", _percent(group))


def _sums(above: ElementTree.Element, document: Einvoice) -> None:
    found = part(above, "SpecifiedTradeSettlementHeaderMonetarySummation")
    text(found, "LineTotalAmount", plain(document.net))
    text(found, "TaxBasisTotalAmount", plain(document.net))
    text(found, "TaxTotalAmount", plain(document.tax), currencyID=document.currency)
    if document.tax_told is not None:
        currency, tax = document.tax_told
        text(found, "TaxTotalAmount", plain(tax), currencyID=currency)
    text(found, "GrandTotalAmount", plain(document.gross))
    if document.prepaid:
        text(found, "TotalPrepaidAmount", plain(document.prepaid))
    text(found, "DuePayableAmount", plain(document.payable))


def _percent(group: TaxGroup) -> str | None:
    return None if group.percent is None else plain(group.percent)


def part(above: ElementTree.Element, name: str) -> ElementTree.Element:
    """A new element that holds others."""
    return ElementTree.SubElement(above, f"{{{RAM}}}{name}")


def text(above: ElementTree.Element, name: str, content: str | None, **attributes: str) -> None:
    """A new element with text; none where there is no text, for empty ones are refused."""
    if content:
        ElementTree.SubElement(above, f"{{{RAM}}}{name}", attributes).text = content


def day(above: ElementTree.Element, name: str, on: date) -> None:
    """A day in the format of the code list."""
    found = ElementTree.SubElement(
        part(above, name), f"{{{UDT}}}DateTimeString", {"format": DAY_FORMAT}
    )
    found.text = on.strftime("%Y%m%d")


def period(above: ElementTree.Element, first_on: date, last_on: date) -> None:
    """The days a line or document is for, both of them in it."""
    found = part(above, "BillingSpecifiedPeriod")
    day(found, "StartDateTime", first_on)
    day(found, "EndDateTime", last_on)
