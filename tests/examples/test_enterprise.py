"""The enterprise contract of many pages: three years and a renewal, as invoices."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.warehouse import Warehouse
from tests.examples.reading import billed_home, differences, invoices

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("examples"),
    # A whole run judges its loads by Great Expectations, which imports a module Python renamed.
    pytest.mark.filterwarnings("ignore:module 'sre_parse' is deprecated:DeprecationWarning"),
]
THROUGH = (date(2024, 1, 2), date(2026, 4, 2))


@pytest.fixture(scope="module")
def billed(tmp_path_factory):
    return billed_home("enterprise", tmp_path_factory.mktemp("enterprise") / "home", THROUGH)


def rows(lake, sql):
    with Warehouse(lake).connect(lake.head()) as db:
        return db.sql(sql).fetchall()


def test_the_contract_is_billed_as_its_golden_invoices_say(billed, pytestconfig):
    update = pytestconfig.getoption("--update-golden")
    assert not differences(invoices(billed), "enterprise", update=update)


def test_every_calendar_year_costs_its_commitment_and_every_invoice_names_the_order(billed):
    net = rows(
        billed,
        "select year(window_start_on), sum(amount)::decimal(12, 2) from facts.billed_lines "
        "where window_start_on < date '2026-01-01' group by all order by all",
    )
    assert net == [(year, Decimal("240000.00")) for year in (2023, 2024, 2025)]
    orders = "select distinct content::json->>'$.purchase_order' from facts.documents"
    assert rows(billed, orders) == [("PO-4711-2023",)]


def test_the_pause_moves_the_ramp_the_end_and_the_renewal_by_its_sixty_days(billed):
    platform = rows(
        billed,
        "select distinct (price->>'$.amount')::int, min(window_start_on)::varchar from "
        "facts.billed_lines where item_id = 'platform' group by price order by 1",
    )
    assert platform == [
        (30000, "2023-01-01"),
        (36000, "2024-03-01"),
        (42000, "2025-03-02"),
        (43260, "2026-03-02"),
    ]
