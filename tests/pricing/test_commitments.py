"""Which spans a commitment of a contract has, what they count, and when they are over."""

from datetime import date
from decimal import Decimal

import pytest

from tests.pricing.modified import FEE, lines, month, window


def short(windows, *commitments, component="true_up", **options):
    """What commitments are short of: id, first day, due day, amount."""
    options = {"through": date(2025, 12, 31), **options}
    found = lines(windows, {"commitments": list(commitments)}, **options)
    shown = ("item_id", "window_start_on", "due_on", "amount")
    return found.filter(component=component).sort("due_on", "item_id").select(shown).rows()


def yearly(**fields):
    return window(1, "1", price=FEE, item="y", window_end_on=month(13), period_end_on=month(13),
                  **fields)  # fmt: skip


def test_a_quarter_in_which_nothing_is_charged_is_owed_all_the_same():
    """100.00 for the year, paid in January: 20.00 of 120.00 are short, then all of it."""
    quarter = {"id": "k", "amount": "120", "period": "quarter"}
    assert short([yearly()], quarter) == [
        ("k", month(1), month(4), 20),
        ("k", month(4), month(7), 120),
        ("k", month(7), month(10), 120),
        ("k", month(10), month(13), 120),
    ]
    assert len(short([yearly()], quarter, through=month(7))) == 2
    # A span that the year only just reaches is cut with the contract.
    assert short([yearly()], quarter, end=date(2024, 5, 16))[1:] == [
        ("k", month(4), date(2024, 5, 16), Decimal("59.34")),
    ]


def test_a_minimum_of_a_month_holds_where_a_fee_of_a_year_was_paid_before():
    found = lines([yearly()], {"minimum": {"amount": "30", "period": "month"}}, through=month(4))
    least = found.filter(component="minimum").sort("due_on").select("due_on", "amount").rows()
    assert least == [(month(3), 30), (month(4), 30)]


@pytest.mark.parametrize(("prorate", "owed"), [(True, 182), (False, 366)])
def test_a_span_ends_on_the_day_until_which_it_was_agreed(prorate, owed):
    """366.00 for 2024, agreed until 1 July: 182 days of 366; what is used later does not count."""
    rows = [window(n, "1") for n in range(1, 13)]
    half = {"id": "k", "amount": "366", "until": "2024-07-01", "prorate": prorate}
    assert short(rows, half) == [("k", month(1), month(7), owed - 60)]


def test_one_that_is_raised_from_a_day_on_follows_the_one_before():
    rows = [window(n, "1") for n in range(1, 13)]
    found = short(
        rows,
        {"id": "first", "amount": "366", "until": "2024-07-01"},
        {"id": "then", "amount": "365", "start": "2024-07-01", "until": "2025-07-01"},
        through=month(19),
    )
    assert found == [("first", month(1), month(7), 122), ("then", month(7), month(19), 305)]


def test_days_that_begin_after_midnight_count_for_the_day_before():
    """March ends on 1 April at six: it counts for the first quarter, which is billed on the 2nd."""
    rows = [window(n, "10", is_late=True) for n in (1, 2, 3)]
    quarter = {"id": "k", "amount": "500", "period": "quarter"}
    assert short(rows, quarter, through=date(2024, 4, 2)) == [
        ("k", month(1), date(2024, 4, 2), 200)
    ]


def test_what_a_commitment_of_windows_charges_counts_for_the_next_one():
    """20 of 50 for one item, then 50 + 30 of 100 for all of them."""
    rows = [window(1, "2"), window(1, "3", item="b")]
    mine = {"id": "mine", "amount": "50", "period": "window", "items": ["api"]}
    ours = {"id": "ours", "amount": "100", "period": "window"}
    assert short(rows, mine, ours) == [
        ("mine", month(1), month(2), 30),
        ("ours", month(1), month(2), 20),
    ]
    # The other way round, all of them are told first, and one item is short of its own still.
    assert [row[0::3] for row in short(rows, ours, mine)] == [("mine", 30), ("ours", 50)]


def test_what_was_not_used_of_one_span_is_not_carried_to_the_next():
    """10 of 50, then 90 of 50: 40 are short, and what is above is not for the quarter before."""
    rows = [window(n, "1" if n == 1 else "3") for n in (1, 4, 5, 6)]
    assert short(rows, {"id": "k", "amount": "50", "period": "quarter"}) == [
        ("k", month(1), month(4), 40)
    ]


def test_of_a_fee_in_advance_that_goes_back_a_commitment_of_the_period_is_not_owed():
    """31.00 a window, 16 of 31 days go back: 15.00 are owed, and 48.39 were paid of 100.00."""
    cut = {"credit_numerator": 16, "credit_denominator": 31, "credit_basis": "billed"}
    row = window(1, "1", price=FEE, share_numerator=31, share_denominator=31, **cut)
    assert short([row], {"id": "k", "amount": "310", "period": "window"}) == [
        ("k", month(1), month(2), Decimal("101.61"))
    ]
