"""A PDF that carries its e-invoice: readers of Factur-X find it, and pages stay what they were."""

import pypdfium2
import pytest
from facturx import get_facturx_xml_from_pdf
from pypdf import PdfReader

from meterhouse.einvoice.cii import cii
from meterhouse.einvoice.terms import einvoice_of
from meterhouse.rendering.facturx import NoMetadata, as_facturx
from meterhouse.rendering.pdf import pdf
from meterhouse.rendering.presentation import Presentation
from meterhouse.rendering.printable import printable
from tests.einvoice.rules import broken_rules
from tests.einvoice.test_einvoices import document


@pytest.fixture(scope="module")
def pages():
    content = document()
    service = {"start_at": "2026-02-01T00:00:00Z", "end_at": "2026-03-01T00:00:00Z"}
    for line in content["lines"]:
        line["service"] = {**line["service"], **service}
    return printable(content, Presentation("de-DE"))


@pytest.fixture(scope="module")
def carried():
    return cii(einvoice_of(document()))


@pytest.fixture(scope="module")
def made(pages, carried, tmp_path_factory):
    path = tmp_path_factory.mktemp("facturx") / "invoice.pdf"
    path.write_bytes(pdf(pages, einvoice=carried))
    return path


def test_a_reader_of_factur_x_finds_the_xml_which_the_rules_accept(made, carried):
    name, found = get_facturx_xml_from_pdf(made.read_bytes(), check_xsd=True)
    assert name == "factur-x.xml"
    assert found == carried
    assert broken_rules("cii", found) == []


def test_the_metadata_says_which_profile_it_is(made):
    told = PdfReader(made).xmp_metadata.stream.get_data().decode()
    for field in ("INVOICE", "factur-x.xml", "EN 16931"):
        assert f">{field}</fx:" in told
    assert told.count("<pdfaProperty:name>ConformanceLevel<") == 1
    assert "<pdfaid:part>3</pdfaid:part>" in told


def test_the_pages_are_those_of_the_plain_document(made, pages):
    def text(data):
        with pypdfium2.PdfDocument(data) as opened:
            return [page.get_textpage().get_text_range() for page in opened]

    assert text(made.read_bytes()) == text(pdf(pages))


def test_equal_input_gives_equal_bytes(made, pages, carried):
    assert pdf(pages, einvoice=carried) == made.read_bytes()


def test_a_pdf_of_another_form_is_refused():
    with pytest.raises(NoMetadata, match="Nothing was written"):
        as_facturx(b"%PDF-1.7\n%%EOF")
