"""The example of thirty contracts: each price model, modifier and event of a life, as invoices."""

import json
from datetime import date

import pytest

from meterhouse.einvoice.cii import cii
from meterhouse.einvoice.terms import NotAnEinvoice, einvoice_of
from meterhouse.einvoice.ubl import ubl
from meterhouse.run.bill import bill
from tests.einvoice.rules import broken_rules, schema_faults
from tests.examples.reading import billed_home, differences, invoices

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("examples"),
    # A whole run judges its loads by Great Expectations, which imports a module Python renamed.
    pytest.mark.filterwarnings("ignore:module 'sre_parse' is deprecated:DeprecationWarning"),
]
THROUGH = (date(2026, 3, 1), date(2026, 4, 1))


@pytest.fixture(scope="module")
def billed(tmp_path_factory):
    return billed_home("contracts", tmp_path_factory.mktemp("contracts") / "home", THROUGH)


def test_every_contract_is_billed_as_its_golden_invoices_say(billed, pytestconfig):
    update = pytestconfig.getoption("--update-golden")
    assert not differences(invoices(billed), "contracts", update=update)


def test_a_second_run_bills_nothing_more(billed):
    assert bill(billed, THROUGH[-1]).is_unchanged


def test_every_document_is_an_e_invoice_that_passes_the_official_rules(billed):
    with billed.reading() as db:
        rows = db.execute("select number, content from facts.documents order by 1").fetchall()
    broken, refused = {}, []
    for number, content in rows:
        try:
            told = einvoice_of(json.loads(content))
        except NotAnEinvoice as error:
            refused.append(str(error))
            continue
        for form, made in (("ubl", ubl(told)), ("cii", cii(told))):
            if found := [*broken_rules(form, made), *schema_faults(made)]:
                broken[number, form] = found
    assert broken == {}
    assert len(rows) > 100
    # Money that is bought is taxed when it is used: the norm has no such line.
    assert len(refused) == 1
    assert "it sells prepaid credit" in refused[0]
