"""The two raters agree to the smallest unit on random prices, and what is not covered says so."""

from decimal import Decimal

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.pricing.rating import rate_windows
from meterhouse.second_rater.amounts import statements
from meterhouse.second_rater.prices import MODELS
from tests.pricing.prices import BY_QUANTITY, prices, quantities, windows

CURRENCIES = ("EUR", "JPY", "KWD", "CLF")
ASKED = """
create or replace temp table asked as
select window_id as line_no, price_model, price, quantity, currency, 1 as share_numerator,
    1 as share_denominator, 0 as credit_numerator, 1 as credit_denominator,
    null::varchar as credit_basis, price_model = 'flat' as is_shared,
    case when price_model not in {models} then price_model end as why_not
from given
"""
SECOND = """
select line_no as window_id, amount::varchar as units, places, reason
from second_lines order by line_no
"""


def second_rated(frame):
    """The windows by the second rater: window_id, smallest units as text, places and reason."""
    with duckdb.connect() as db:
        db.register("given", frame.to_arrow())
        db.execute(ASKED.format(models=MODELS))
        for statement in statements("asked"):
            db.execute(statement)
        return db.sql(SECOND).pl().to_dicts()


def first_rated(frame):
    """The amounts of the windows by the rater that bills, by window_id."""
    return dict(rate_windows(frame).select("window_id", "amount").iter_rows())


def differences(frame, first=None):
    """Windows of which the two say other amounts: window_id, first, second."""
    billed = first_rated(frame) if first is None else first
    return [
        (one["window_id"], billed[one["window_id"]], second)
        for one in second_rated(frame)
        if one["reason"] is None
        and (second := Decimal(one["units"]).scaleb(-one["places"])) != billed[one["window_id"]]
    ]


def asked(rows):
    """Windows of whole periods in all kinds of currencies."""
    frame = windows(rows)
    given = [CURRENCIES[number % len(CURRENCIES)] for number in range(frame.height)]
    return frame.with_columns(currency=pl.Series(given, dtype=pl.String))


@pytest.mark.parametrize("model", BY_QUANTITY)
@settings(max_examples=5)
@given(data=st.data())
def test_both_raters_say_the_same_of_random_prices(model, data):
    rows = data.draw(
        st.lists(st.tuples(prices(model, decimals=9), quantities(9)), min_size=1, max_size=8)
    )
    frame = asked(rows)
    assert differences(frame) == []
    told = [one["reason"] for one in second_rated(frame)]
    assert set(told) <= {None, "too many digits"}


def test_a_model_that_is_not_covered_is_told_and_has_no_amount():
    price = {"model": "bps", "bps": "25", "per_event_cap": None}
    assert second_rated(windows([(price, "5")])) == [
        {"window_id": "0000", "units": None, "places": None, "reason": "bps"}
    ]
