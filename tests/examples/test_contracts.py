"""The example of thirty contracts: each price model, modifier and event of a life, as invoices."""

from datetime import date

import pytest

from meterhouse.run.bill import bill
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
