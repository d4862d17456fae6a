"""The two raters agree to the smallest unit on random prices, and what is not covered says so."""

from decimal import Decimal

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.pricing.rating import rate_windows
from meterhouse.second_rater.amounts import statements
from meterhouse.second_rater.events import BY_EVENT
from meterhouse.second_rater.numbers import UNITS, whole
from meterhouse.second_rater.pieces import BY_PARTS
from meterhouse.second_rater.prices import MODELS
from tests.pricing.part_prices import frame as part_frame
from tests.pricing.part_prices import part_prices, parts_of
from tests.pricing.prices import BY_QUANTITY, events, prices, quantities, windows

UNITS_OF = whole("cast(quantity as varchar)", UNITS)
CURRENCIES = ("EUR", "JPY", "KWD", "CLF")
ASKED = """
create or replace temp table asked as
select window_id as line_no, price_model, price, {units} as units, currency,
    null::hugeint as before, 1 as share_numerator,
    1 as share_denominator, 0 as credit_numerator, 1 as credit_denominator,
    null::varchar as credit_basis, price_model = 'flat' as is_shared,
    case when price_model not in {models} then price_model end as why_not
from given
"""
SECOND = """
select line_no as window_id, amount::varchar as units, places, reason
from second_lines order by line_no
"""


def second_rated(frame, told=None):
    """The windows by the second rater: window_id, smallest units as text, places and reason."""
    with duckdb.connect() as db:
        db.register("given", frame.to_arrow())
        made_of = events([]) if told is None else told
        db.register("parts", made_of.rename({"window_id": "line_no"}).to_arrow())
        db.execute(ASKED.format(models=MODELS, units=UNITS_OF))
        for statement in statements("asked", "parts"):
            db.execute(statement)
        return db.sql(SECOND).pl().to_dicts()


def first_rated(frame, told=None):
    """The amounts of the windows by the rater that bills, by window_id."""
    return dict(rate_windows(frame, told).select("window_id", "amount").iter_rows())


def compared(frame, told=None):
    """Windows of which the two say other amounts (window_id, first, second), and all reasons for
    which the second one says none."""
    billed, second = first_rated(frame, told), second_rated(frame, told)
    amounts = {
        one["window_id"]: Decimal(one["units"]).scaleb(-one["places"])
        for one in second
        if one["reason"] is None
    }
    differing = [(id, billed[id], one) for id, one in amounts.items() if billed[id] != one]
    return differing, {one["reason"] for one in second} - {None}


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
    differing, reasons = compared(frame)
    assert differing == []
    assert reasons <= {"too many digits"}


def of_sums(price):
    """A price by event without what it says of single events."""
    silent = {"per_event_cap": None}
    if price["model"] == "percentage":
        limits = dict.fromkeys(("min_per_event", "max_per_event"))
        return price | limits | {"fixed_amount": "0", "free_events": 0}
    if "tiers" in price:
        return price | {"tiers": [tier | silent for tier in price["tiers"]]}
    return price | silent


@pytest.mark.parametrize("model", BY_EVENT)
@settings(max_examples=5)
@given(data=st.data())
def test_both_say_the_same_of_shares_of_a_sum(model, data):
    priced = st.tuples(prices(model, decimals=9).map(of_sums), quantities(9))
    frame = asked(data.draw(st.lists(priced, min_size=1, max_size=8)))
    differing, reasons = compared(frame)
    assert differing == []
    assert reasons <= {"too many digits"}


def of_events(price):
    """A price by event that says something of single events."""
    if price["model"] == "percentage":
        return price | {"min_per_event": price["min_per_event"] or "0.07"}
    if "tiers" in price:
        first, *others = price["tiers"]
        return price | {"tiers": [first | {"per_event_cap": "1.5"}, *others]}
    return price | {"per_event_cap": price["per_event_cap"] or "1.5"}


@pytest.mark.parametrize("model", BY_EVENT)
@settings(max_examples=8)
@given(data=st.data())
def test_both_say_the_same_of_single_events(model, data):
    values = st.lists(quantities(6) | st.sampled_from(["0", "10", "100"]), max_size=7)
    drawn = data.draw(
        st.lists(st.tuples(prices(model).map(of_events), values), min_size=1, max_size=5)
    )
    frame = asked([(price, str(sum(map(Decimal, told)))) for price, told in drawn])
    differing, reasons = compared(frame, events([told for _, told in drawn]))
    assert differing == []
    assert reasons <= {"too many digits"}


@pytest.mark.parametrize("model", BY_PARTS)
@settings(max_examples=8)
@given(data=st.data())
def test_both_say_the_same_of_what_is_made_of_parts(model, data):
    drawn = data.draw(
        st.lists(st.tuples(part_prices(model), parts_of(model)), min_size=1, max_size=5)
    )
    frame = asked([(price, "0") for price, _ in drawn])
    differing, reasons = compared(frame, part_frame([told for _, told in drawn]))
    assert differing == []
    assert reasons <= {"too many digits"}


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ({"model": "formula", "formula": "quantity", "constants": {}}, "formula"),
    ],
)
def test_what_is_not_covered_is_told_and_has_no_amount(price, reason):
    assert second_rated(windows([(price, "5")])) == [
        {"window_id": "0000", "units": None, "places": None, "reason": reason}
    ]
