from datetime import date
from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.ledger.accrual import accrue

MAR = date(2024, 3, 1)


def test_usage_not_invoiced_is_accrued_on_the_day_before_the_cut_off(
    delivered, accrued, invoiced, booked
):
    journal = accrue(delivered(k1=Decimal(100)), accrued(), MAR, invoiced())
    assert booked(journal) == {"unbilled_receivable": 100, "revenue": -100}
    assert journal[0].select("event", "posting_date").rows() == [
        ("usage.accrued", date(2024, 2, 29))
    ]
    assert journal[1]["contract_id"].unique().to_list() == ["con"]


def test_only_the_difference_is_posted_and_it_may_be_negative(delivered, accrued, invoiced, booked):
    known = accrued(k1=Decimal(60), k2=Decimal(60), k3=Decimal(60), k4=Decimal(60))
    wanted = delivered(k1=Decimal(100), k2=Decimal(60), k3=Decimal(0))
    _, lines = accrue(wanted, known, MAR, invoiced())
    unbilled = lines.filter(account="unbilled_receivable")
    net = unbilled.select("line_key", net=pl.col("debit") - pl.col("credit"))
    assert dict(net.rows()) == {"k1": 40, "k3": -60, "k4": -60}


def test_what_is_already_invoiced_is_taken_back_on_the_date_of_its_document(
    delivered, accrued, invoiced, booked
):
    journal = accrue(
        delivered(k1=Decimal(100)), accrued(k1=Decimal(60)), MAR, invoiced(k1=date(2024, 3, 4))
    )
    assert booked(journal, event="usage.accrued") == {"unbilled_receivable": 40, "revenue": -40}
    assert booked(journal, event="usage.accrual_cleared") == {
        "unbilled_receivable": -40,
        "revenue": 40,
    }
    assert sorted(journal[0]["posting_date"]) == [date(2024, 2, 29), date(2024, 3, 4)]


def test_a_document_posted_before_the_cut_off_clears_nothing(delivered, accrued, invoiced):
    made, _ = accrue(delivered(k1=Decimal(100)), accrued(), MAR, invoiced(k1=date(2024, 2, 29)))
    assert made["event"].to_list() == ["usage.accrued"]


def test_a_second_close_posts_nothing_and_with_later_usage_another_entry(
    delivered, accrued, invoiced
):
    first, _ = accrue(delivered(k1=Decimal(100)), accrued(), MAR, invoiced())
    known = accrued(k1=Decimal(100))
    again, lines = accrue(delivered(k1=Decimal(100)), known, MAR, invoiced(k1=MAR))
    assert again.is_empty()
    assert lines.is_empty()
    later, _ = accrue(delivered(k1=Decimal(110)), known, MAR, invoiced())
    assert later["entry_id"][0] != first["entry_id"][0]


money = st.decimals(-(10**9), 10**9, places=2)


@settings(max_examples=25, deadline=None)
@given(
    values=st.dictionaries(st.sampled_from("abcd"), money),
    known=st.dictionaries(st.sampled_from("abcd"), money),
)
def test_after_an_accrual_the_balance_is_the_value(
    delivered, accrued, invoiced, booked, values, known
):
    journal = accrue(delivered(**values), accrued(**known), MAR, invoiced())
    moved = booked(journal).get("unbilled_receivable", Decimal(0))
    assert sum(known.values(), moved) == sum(values.values(), Decimal(0))
