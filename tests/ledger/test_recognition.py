from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.canonical import short_hash
from meterhouse.ledger.recognition import recognise
from meterhouse.money import PLACES, round_half_away

FEB, MAR = date(2024, 2, 1), date(2024, 3, 1)


@pytest.mark.parametrize(
    ("cut_off", "earned"),
    [
        (FEB, None),
        (date(2024, 2, 2), "1"),
        (date(2024, 2, 15), "14"),
        (MAR, "29"),
        (date(2025, 1, 1), "29"),
    ],
)
def test_revenue_is_earned_by_the_day(advance, recognised, booked, cut_off, earned):
    fee = advance({"amount": Decimal(29), "posting_date": date(2024, 1, 31)})
    journal = recognise(fee, recognised(), cut_off)
    expected = {"deferred_revenue": Decimal(earned), "revenue": -Decimal(earned)} if earned else {}
    assert booked(journal) == expected


def test_an_entry_is_dated_on_the_day_before_and_named_by_line_and_cut_off(advance, recognised):
    made, lines = recognise(advance({"amount": Decimal(29)}), recognised(), MAR)
    row = made.row(0, named=True)
    assert row["posting_date"] == row["event_date"] == date(2024, 2, 29)
    assert row["entry_id"] == short_hash(["revenue.recognised", "d1", "k1", "2024-03-01"])
    assert (row["document_id"], lines["line_key"].unique().to_list()) == ("d1", ["k1"])


def test_what_was_recognised_is_not_recognised_again(advance, recognised, booked):
    so_far = recognised({"document_id": "d1", "line_key": "k1", "recognised": Decimal(14)})
    fee = advance({"amount": Decimal(29)})
    assert booked(recognise(fee, so_far, date(2024, 2, 15))) == {}
    assert booked(recognise(fee, so_far, MAR)) == {"deferred_revenue": 15, "revenue": -15}


def test_a_credited_fee_takes_revenue_back(advance, recognised, booked):
    journal = recognise(advance({"amount": Decimal(-29)}), recognised(), MAR)
    assert booked(journal) == {"deferred_revenue": -29, "revenue": 29}


def test_a_line_posted_after_the_cut_off_waits(advance, recognised):
    fee = advance({"amount": Decimal(29), "posting_date": date(2024, 2, 20)})
    assert recognise(fee, recognised(), date(2024, 2, 20))[0].is_empty()
    assert recognise(fee, recognised(), date(2024, 2, 21))[0].height == 1


@settings(max_examples=25, deadline=None)
@given(
    raw=st.decimals(-(10**9), 10**9, places=4),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    days=st.integers(1, 800),
    cuts=st.sets(st.integers(-10, 900), max_size=5),
)
def test_any_split_into_cut_offs_sums_to_the_amount(
    advance, recognised, booked, raw, currency, days, cuts
):
    amount = round_half_away(raw, PLACES[currency])
    end = FEB + timedelta(days=days)
    line = {"amount": amount, "currency": currency, "window_end_on": end}
    so_far = Decimal(0)
    for cut in [*sorted(cuts), 901]:
        known = recognised({"document_id": "d1", "line_key": "k1", "recognised": so_far})
        journal = recognise(advance(line), known, FEB + timedelta(days=cut))
        step = -booked(journal).get("revenue", Decimal(0))
        assert step == round_half_away(step, PLACES[currency])
        so_far += step
    assert so_far == amount


def test_lines_are_recognised_each_by_its_own_window(advance, recognised, booked):
    both = advance(
        {"amount": Decimal(29)},
        {
            "line_key": "k2",
            "amount": Decimal(31),
            "window_start_on": MAR,
            "window_end_on": date(2024, 4, 1),
        },
    )
    _, lines = recognise(both, recognised(), date(2024, 3, 2))
    assert dict(lines.filter(pl.col("credit") > 0).select("line_key", "credit").rows()) == {
        "k1": Decimal(29),
        "k2": Decimal(1),
    }


def test_a_fee_that_was_cut_is_earned_when_its_service_ends_and_what_was_credited_never(
    advance, recognised, booked
):
    """29.00 for February, ended on the 11th and 19.00 of it given back on the 6th."""
    lines = advance(
        {"amount": Decimal(29)},
        {
            "document_id": "d2",
            "amount": Decimal(-19),
            "served_end_on": date(2024, 2, 11),
            "posting_date": date(2024, 2, 6),
        },
    )
    earned, known = [], []
    for cut in (date(2024, 2, 4), date(2024, 2, 6), date(2024, 2, 7), date(2024, 2, 11), MAR):
        journal = recognise(lines, recognised(*known), cut)
        posted = journal[0].join(journal[1], on="entry_id").filter(pl.col("account") == "revenue")
        known += [
            {"document_id": d, "line_key": k, "recognised": credit - debit}
            for d, k, credit, debit in posted.select(
                "document_id", "line_key", "credit", "debit"
            ).rows()
        ]
        sums = {}
        for one in known:
            sums[one["document_id"]] = sums.get(one["document_id"], 0) + one["recognised"]
        known = [
            {"document_id": d, "line_key": "k1", "recognised": value} for d, value in sums.items()
        ]
        earned.append(sum(sums.values()))
    # The credit note counts from its posting on: 10.00 in all, over ten days.
    assert earned == [3, 5, 6, 10, 10]


def test_cents_of_a_line_and_its_credit_together_are_never_one_off(advance, recognised, booked):
    """10.00 less 3.33 over 3 days of service: the total is rounded, not the two lines."""
    lines = advance(
        {"amount": Decimal("10.00"), "served_end_on": date(2024, 2, 4)},
        {"document_id": "d2", "amount": Decimal("-3.35"), "served_end_on": date(2024, 2, 4)},
    )
    first = booked(recognise(lines, recognised(), date(2024, 2, 2)))
    # Their own rounded parts are 3.33 and -1.12, which is 2.21; 6.65 / 3 is 2.22.
    assert first["revenue"] == Decimal("-2.22")
