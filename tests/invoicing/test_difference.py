from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.canonical import short_hash
from meterhouse.invoicing.difference import AmbiguousLines, difference

FEB, MAR, APR = date(2024, 2, 1), date(2024, 3, 1), date(2024, 4, 1)


def amounts(lines):
    return lines.select("amount", "is_correction", "boundary_on").rows()


def test_a_window_never_billed_is_billed_whole_at_its_due_date(window, desired, nothing_billed):
    lines = difference(desired(window(Decimal("1.005"), FEB, MAR)), nothing_billed, APR)
    assert amounts(lines) == [(Decimal("1.01"), False, MAR)]
    assert lines["amount_unrounded"].to_list() == [Decimal("1.005")]
    assert lines["reason"].to_list() == [None]


def test_a_line_key_is_the_hash_of_the_canonical_list_of_its_key(window, desired, nothing_billed):
    odd = window(Decimal(1), FEB, MAR, contract_id='c"\\é\n')
    lines = difference(desired(odd), nothing_billed, APR)
    key = ['c"\\é\n', "calls", "usage", "{}", "acme", "EUR", "2024-02-01", "2024-03-01", "usage"]
    assert lines["line_key"].to_list() == [short_hash(key)]


def test_an_unused_window_is_billed_as_a_line_of_zero_once(window, desired, nothing_billed, bill):
    wanted = desired(window(Decimal(0), FEB, MAR))
    first = difference(wanted, nothing_billed, APR)
    assert amounts(first) == [(Decimal(0), False, MAR)]
    assert difference(wanted, bill(first), APR).is_empty()


def test_a_window_not_due_is_left_alone_on_both_sides(window, desired, nothing_billed, bill):
    wanted = desired(window(Decimal(5), MAR, APR))
    assert difference(wanted, nothing_billed, date(2024, 3, 31)).is_empty()
    billed = bill(difference(wanted, nothing_billed, APR))
    assert difference(wanted.clear(), billed, date(2024, 3, 31)).is_empty()


def test_late_usage_is_a_correction_that_names_the_first_document(
    window, desired, nothing_billed, bill
):
    billed = bill(difference(desired(window(Decimal(5), FEB, MAR)), nothing_billed, MAR))
    line = difference(desired(window(Decimal(8), FEB, MAR)), billed, APR).row(0, named=True)
    assert (line["desired_amount"], line["already_billed"], line["amount"]) == (8, 5, 3)
    assert (line["is_correction"], line["original_number"]) == (True, "INV-7")
    assert line["boundary_on"] == APR
    assert "after INV-7 was issued" in line["reason"]


def test_a_correction_may_be_given_another_date(window, desired, nothing_billed, bill):
    billed = bill(difference(desired(window(Decimal(5), FEB, MAR)), nothing_billed, MAR))
    lines = difference(desired(window(Decimal(8), FEB, MAR)), billed, APR, date(2024, 3, 15))
    assert lines["boundary_on"].to_list() == [date(2024, 3, 15)]


def test_a_window_that_vanished_is_credited_whole_and_only_once(
    window, desired, nothing_billed, bill
):
    wanted = desired(window(Decimal(5), FEB, MAR))
    billed = bill(difference(wanted, nothing_billed, MAR))
    gone = difference(wanted.clear(), billed, APR)
    assert amounts(gone) == [(Decimal(-5), True, APR)]
    assert gone["customer_id"].to_list() == ["acme"]
    assert "INV-7" in gone["reason"][0]
    assert difference(wanted.clear(), bill(gone), APR).is_empty()
    assert amounts(difference(wanted, bill(gone), APR)) == [(Decimal(5), True, APR)]


def test_billed_lines_without_a_due_date_follow_their_timing(window, desired, nothing_billed, bill):
    fee = window(Decimal(5), MAR, APR, component="fee")
    billed = bill(difference(desired(fee), nothing_billed, MAR)).drop("due_on")
    gone = difference(desired(fee).clear(), billed, MAR)
    assert amounts(gone) == [(Decimal(-5), True, MAR)]


def test_two_rows_for_one_line_are_refused_and_named(window, desired, nothing_billed):
    twice = desired(window(Decimal(1), FEB, MAR), window(Decimal(2), FEB, MAR))
    with pytest.raises(AmbiguousLines, match="con calls from 2024-02-01"):
        difference(twice, nothing_billed, APR)


def test_billed_lines_that_lack_a_column_are_refused(window, desired, nothing_billed):
    with pytest.raises(TypeError, match="terms_id"):
        difference(desired(window(Decimal(1), FEB, MAR)), nothing_billed.drop("terms_id"), APR)


amount = st.decimals(-(10**9), 10**9, places=5)


@settings(max_examples=25, deadline=None)
@given(
    before=st.lists(amount, max_size=4),
    after=st.lists(amount, max_size=4),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_billing_the_difference_leaves_no_difference(
    window, desired, nothing_billed, bill, before, after, currency
):
    def wanted(values):
        return desired(
            *(
                window(value, FEB, MAR, item_id=f"i{n}", currency=currency)
                for n, value in enumerate(values)
            )
        )

    first = difference(wanted(before), nothing_billed, MAR)
    billed = bill(first)
    second = difference(wanted(after), billed, APR)
    # The billed sums after both: a corrected key has its new sum, the others keep theirs.
    settled = pl.concat(
        [bill(second), billed.join(second, on="line_key", how="anti")], how="vertical"
    )
    assert difference(wanted(after), settled, APR).is_empty()
    total = sum(wanted(after)["amount"], Decimal(0))
    assert first["amount"].sum() + second["amount"].sum() == total


def test_what_was_billed_stays_wanted_where_it_would_be_due_later_now(
    window, desired, nothing_billed, bill
):
    first = difference(desired(window(Decimal(500), FEB, MAR)), nothing_billed, MAR)
    later = desired(window(Decimal(500), FEB, MAR, due_on=APR))
    assert difference(later, bill(first), date(2024, 3, 5)).is_empty()
    more = desired(window(Decimal(520), FEB, MAR, due_on=APR))
    assert amounts(difference(more, bill(first), date(2024, 3, 5))) == [
        (Decimal(20), True, date(2024, 3, 5))
    ]


@pytest.mark.parametrize(
    ("now", "credited", "amount"),
    [("0", "2", "-3"), ("1", "2", "-3"), ("3", "2", "-2"), ("5", "2", None), ("8", "2", "3")],
)
def test_what_people_credited_of_a_line_is_not_taken_back_once_more(
    window, desired, nothing_billed, bill, now, credited, amount
):
    billed = bill(difference(desired(window(Decimal(5), FEB, MAR)), nothing_billed, MAR))
    told = billed.with_columns(credited=pl.lit(Decimal(credited), pl.Decimal(38, 18)))
    lines = difference(desired(window(Decimal(now), FEB, MAR)), told, APR)
    assert lines["amount"].to_list() == ([] if amount is None else [Decimal(amount)])
    gone = difference(desired(window(Decimal(now), FEB, MAR)).clear(), told, APR)
    assert gone["amount"].to_list() == [Decimal(credited) - 5]


def test_a_discount_that_was_credited_keeps_its_sign(window, desired, nothing_billed, bill):
    billed = bill(difference(desired(window(Decimal(-5), FEB, MAR)), nothing_billed, MAR))
    told = billed.with_columns(credited=pl.lit(Decimal(-2), pl.Decimal(38, 18)))
    lines = difference(desired(window(Decimal(-1), FEB, MAR)), told, APR)
    assert lines["amount"].to_list() == [Decimal(3)]
