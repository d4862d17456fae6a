from datetime import date

import polars as pl
import pytest

from meterhouse.catalog.payment_terms import PaymentTerms
from meterhouse.invoicing.due_dates import due_date

CASES = {
    "net 30": (date(2026, 1, 31), 30, None, None, date(2026, 3, 2)),
    "on receipt": (date(2026, 1, 31), 0, "invoice_date", None, date(2026, 1, 31)),
    "30 days from the end of the month": (
        date(2026, 1, 3),
        30,
        "month_end",
        None,
        date(2026, 3, 2),
    ),
    "end of month, on its last day": (date(2026, 2, 28), 0, "month_end", None, date(2026, 2, 28)),
    "the 15th that follows": (date(2026, 1, 20), 0, None, 15, date(2026, 2, 15)),
    "the 15th that is today": (date(2026, 1, 15), 0, None, 15, date(2026, 1, 15)),
    "the 15th of the next month": (date(2026, 1, 3), 1, "month_end", 15, date(2026, 2, 15)),
    "the last day after ten days": (date(2026, 1, 25), 10, None, 31, date(2026, 2, 28)),
    "the 30th in February": (date(2028, 2, 1), 0, None, 30, date(2028, 2, 29)),
    "terms nobody knows": (date(2026, 1, 3), None, None, None, None),
}


def test_each_kind_of_terms_gives_its_day():
    rows = [case[:4] for case in CASES.values()]
    schema = {
        "invoice_date": pl.Date,
        "net_days": pl.Int64,
        "counted_from": pl.String,
        "due_day": pl.Int64,
    }
    found = pl.DataFrame(rows, schema=schema, orient="row").select(due_date().alias("due"))["due"]
    assert dict(zip(CASES, found.to_list(), strict=True)) == {k: v[4] for k, v in CASES.items()}


def test_terms_that_are_not_plain_need_words():
    with pytest.raises(ValueError, match="`description` is needed"):
        PaymentTerms(net_days=30, counted_from="month_end")


def test_content_of_plain_terms_is_as_it_always_was():
    assert PaymentTerms(net_days=30).model_dump() == {"description": None, "net_days": 30}
