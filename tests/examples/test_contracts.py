"""The example of thirty contracts: each price model, modifier and event of a life, as invoices."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.bill import bill
from meterhouse.settings import Settings
from meterhouse.warehouse import Warehouse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("examples"),
    # A whole run judges its loads by Great Expectations, which imports a module Python renamed.
    pytest.mark.filterwarnings("ignore:module 'sre_parse' is deprecated:DeprecationWarning"),
]
EXAMPLE = Path(__file__).parents[2] / "examples" / "contracts"
GOLDEN = EXAMPLE / "invoices.txt"
THROUGH = (date(2026, 3, 1), date(2026, 4, 1))
LINES = """
select documents.customer_id, documents.invoice_date, documents.due_date, documents.net,
    documents.number, lines.item_description, lines.window_start_on, lines.window_end_on,
    lines.dimensions, lines.quantity, lines.amount, documents.kind
from facts.billed_lines as lines join facts.documents as documents using (document_id)
order by documents.customer_id, documents.invoice_date, documents.number, lines.line_no
"""


@pytest.fixture(scope="module")
def billed(tmp_path_factory):
    home = tmp_path_factory.mktemp("contracts") / "home"
    shutil.copytree(EXAMPLE, home)
    lake = Lake(Settings.load(home))
    lake.create()
    apply_book(lake)
    landing = lake.settings.landing("events")
    landing.mkdir(parents=True, exist_ok=True)
    shutil.copy(EXAMPLE / "usage" / "events.csv", landing)
    for through in THROUGH:
        result = bill(lake, through)
        assert result.failed_checks == []
    return lake


def number(value):
    return format(value.normalize(), "f")


def invoices(lake):
    """Every document as a person would read it."""
    with Warehouse(lake).connect(lake.head()) as db:
        rows = db.sql(LINES).fetchall()
    text, last = [], None
    for customer, invoiced, due, net, name, item, start, end, dims, quantity, amount, kind in rows:
        if name != last:
            what = kind.replace("_", " ")
            text += ["", f"{customer}: {what} of {invoiced}, due {due}: {net:.2f}"]
            last = name
        what = f"{item or '-'} {'' if dims == '{}' else dims}".strip()
        text.append(f"  {start} {end}  {what[:52]:52} {number(quantity):>12} {amount:>12.2f}")
    return "\n".join(text).strip() + "\n"


def test_every_contract_is_billed_as_its_golden_invoices_say(billed, pytestconfig):
    found = invoices(billed)
    if pytestconfig.getoption("--update-golden"):
        GOLDEN.write_text(found)
    published = GOLDEN.read_text().splitlines()
    assert [line for line in found.splitlines() if line not in published] == []
    assert len(found.splitlines()) == len(published)


def test_a_second_run_bills_nothing_more(billed):
    assert bill(billed, THROUGH[-1]).is_unchanged
