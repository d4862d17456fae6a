"""The FOCUS file: its columns and rules as the specification has them, and the invoices' totals."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.errors import UsageError
from meterhouse.run.focus import focus_rows, in_csv, write_focus
from tests.truth.harness import GREAT_EXPECTATIONS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
PERIOD = (date(2025, 1, 1), date(2027, 1, 1))
# Columns that must not be null in any row, and those that have allowed values (FOCUS 1.2).
NEVER_NULL = (
    *("BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeFrequency", "ChargePeriodEnd"),
    *("ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost"),
    *("ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "ServiceSubcategory"),
)
ALLOWED = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {None, "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {None, "Standard", "Dynamic", "Committed", "Other"},
}


@pytest.fixture(scope="module")
def rows(in_october):
    with in_october.lake.reading() as db:
        return focus_rows(db, *PERIOD)


def test_the_file_has_the_columns_of_the_specification_in_order(rows):
    standard = [name for name in rows.columns if not name.startswith("x_")]
    assert len(standard) == 57
    assert standard == sorted(standard)


def test_what_must_be_there_is_there_and_has_an_allowed_value(rows):
    assert rows.height > 0
    assert {name: rows[name].null_count() for name in NEVER_NULL} == dict.fromkeys(NEVER_NULL, 0)
    for name, allowed in ALLOWED.items():
        assert set(rows[name].unique().to_list()) <= allowed, name


def test_the_costs_of_an_invoice_add_up_to_its_total(rows, in_october):
    totals = dict(in_october.rows("select number, total from facts.documents"))
    costs = dict(rows.group_by("InvoiceId").agg(pl.col("BilledCost").sum()).iter_rows())
    assert costs == {number: total for number, total in totals.items() if number in costs}
    assert {number for number, total in totals.items() if total} <= set(costs)


def test_a_quantity_is_priced_where_it_must_be_and_a_unit_price_gives_the_cost(rows):
    sold = rows.filter(
        pl.col("ChargeCategory").is_in(["Usage", "Purchase"]), pl.col("ChargeClass").is_null()
    )
    assert sold.height > 0
    assert sold["PricingQuantity"].null_count() == 0 == sold["PricingUnit"].null_count()
    taxes = rows.filter(pl.col("ChargeCategory") == "Tax")
    assert taxes["PricingQuantity"].null_count() == taxes.height > 0
    priced = rows.filter(pl.col("ContractedUnitPrice").is_not_null()).select(
        "ContractedUnitPrice", "PricingQuantity", "ContractedCost"
    )
    assert priced.height > 0
    assert all(price * quantity == cost for price, quantity, cost in priced.iter_rows())


def test_no_purchase_is_usage_based(rows):
    bought = rows.filter(pl.col("ChargeCategory") == "Purchase")
    assert "Usage-Based" not in bought["ChargeFrequency"].to_list()


def test_a_customer_gets_a_file_of_its_own(in_october, tmp_path, rows):
    customer = rows["BillingAccountId"][0]
    done = write_focus(in_october.lake, *PERIOD, tmp_path, customer, "csv")
    written = pl.read_csv(done.path, infer_schema=False)
    assert written["BillingAccountId"].unique().to_list() == [customer]
    mine = rows.filter(pl.col("BillingAccountId") == customer)
    assert [Decimal(one) for one in written["BilledCost"]] == mine["BilledCost"].to_list()
    assert done.rows == mine.height
    typed = write_focus(in_october.lake, *PERIOD, tmp_path, customer, "parquet")
    assert in_csv(pl.read_parquet(typed.path)).write_csv() == in_csv(mine).write_csv()


def test_a_customer_without_documents_is_told(in_october, tmp_path):
    with pytest.raises(UsageError, match="No document was issued to a customer 'nobody'"):
        write_focus(in_october.lake, *PERIOD, tmp_path, "nobody", "csv")
