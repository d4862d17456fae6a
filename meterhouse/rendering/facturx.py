"""Factur-X: an invoice as a PDF that carries its own e-invoice.

The template attaches the XML. What a reader looks for beside it, the four `fx` properties in the
metadata of the PDF, Typst cannot write: they are added as an update at the end of the file, which
leaves every byte before it as it was.
"""

import re

from meterhouse.errors import MeterhouseError

FILE_NAME = "factur-x.xml"
_FIELDS = {
    "DocumentType": "INVOICE",
    "DocumentFileName": FILE_NAME,
    "Version": "1.0",
    "ConformanceLevel": "EN 16931",
}
_URI = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
_SCHEMA_END = b"</rdf:Bag></pdfaExtension:schemas>"
_METADATA = re.compile(
    rb"(\d+) 0 obj\n<</Length \d+/Type/Metadata/Subtype/XML>>\nstream\n(.*?)\nendstream", re.DOTALL
)
_TRAILER = re.compile(rb"trailer\n<<(.*?)>>\nstartxref\n(\d+)\n%%EOF", re.DOTALL)


class NoMetadata(MeterhouseError):
    """A PDF whose metadata cannot be added to."""

    def __init__(self) -> None:
        super().__init__(
            "The PDF of Typst has another form than the one that is known, so its metadata could "
            "not say that it carries an e-invoice. Nothing was written. Install the locked Typst, "
            "or write the XML alone."
        )


def as_facturx(pdf: bytes) -> bytes:
    """The PDF, which has the XML attached, with the metadata that makes it Factur-X."""
    found, trailer = _METADATA.search(pdf), _TRAILER.search(pdf)
    if found is None or trailer is None or _SCHEMA_END not in found[2]:
        raise NoMetadata
    told = found[2].replace(_SCHEMA_END, _schema().encode() + _SCHEMA_END)
    told = told.replace(b"</rdf:RDF>", _properties().encode() + b"</rdf:RDF>")
    head = b"%s 0 obj\n<</Length %d/Type/Metadata/Subtype/XML>>\nstream\n" % (found[1], len(told))
    start = len(pdf) + 1
    added = b"\n" + head + told + b"\nendstream\nendobj\n"
    table = b"xref\n%s 1\n%010d 00000 n\r\n" % (found[1], start)
    ending = b"trailer\n<<%s/Prev %s>>\nstartxref\n%d\n%%%%EOF" % (
        trailer[1],
        trailer[2],
        len(pdf) + len(added),
    )
    return pdf + added + table + ending


def _properties() -> str:
    told = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, value in _FIELDS.items())
    return f'<rdf:Description rdf:about="" xmlns:fx="{_URI}">{told}</rdf:Description>'


def _schema() -> str:
    """What PDF/A asks to be said of properties that it does not know itself."""
    told = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        "<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{name} of the e-invoice</pdfaProperty:description></rdf:li>"
        for name in _FIELDS
    )
    return (
        '<rdf:li rdf:parseType="Resource">'
        "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
        f"<pdfaSchema:namespaceURI>{_URI}</pdfaSchema:namespaceURI>"
        "<pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{told}</rdf:Seq></pdfaSchema:property></rdf:li>"
    )
