from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.errors import UsageError
from meterhouse.money import AMOUNT, PLACES, places, round_half_away, rounded

AMOUNTS = st.decimals(-(10**15), 10**15, places=18)
CURRENCIES = st.sampled_from(sorted(PLACES))


def in_a_frame(amounts, currencies):
    frame = pl.DataFrame(
        {"amount": amounts, "currency": currencies},
        schema={"amount": AMOUNT, "currency": pl.String},
    )
    return frame.select(rounded(pl.col("amount"), pl.col("currency"))).to_series()


@pytest.mark.parametrize(
    ("currency", "expected"),
    [
        ("EUR", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("UYI", 0),
        ("KWD", 3),
        ("TND", 3),
        ("CLF", 4),
        ("UYW", 4),
    ],
)
def test_a_currency_has_the_places_of_the_standard(currency, expected):
    assert places(currency) == expected


def test_no_currency_is_listed_under_two_counts_of_places():
    assert len(PLACES) == 165
    assert set(PLACES.values()) == {0, 2, 3, 4}
    assert all(len(code) == 3 and code.isupper() for code in PLACES)


def test_an_unknown_currency_is_refused_with_the_nearest_code():
    with pytest.raises(UsageError, match=r"'EURO' is not an active ISO 4217 .* 'EUR'\?"):
        places("EURO")


@pytest.mark.parametrize("gone", ["HRK", "BGN", "XAU", "eur", ""])
def test_a_code_nothing_can_be_invoiced_in_is_refused(gone):
    with pytest.raises(UsageError):
        places(gone)


@pytest.mark.parametrize(
    ("amount", "count", "expected"),
    [
        ("10.125", 2, "10.13"),
        ("-10.125", 2, "-10.13"),
        ("10.124999999999999999", 2, "10.12"),
        ("-0.004", 2, "0.00"),
        ("99.5", 0, "100"),
        ("0", 3, "0.000"),
        ("1E+3", 2, "1000.00"),
    ],
)
def test_halves_go_away_from_zero(amount, count, expected):
    assert str(round_half_away(Decimal(amount), count)) == expected


def test_an_amount_longer_than_the_default_context_is_rounded_exactly():
    assert round_half_away(Decimal("9" * 60 + ".995"), 2) == Decimal("1" + "0" * 60)


@given(st.lists(st.tuples(AMOUNTS, CURRENCIES), min_size=1, max_size=8))
def test_the_frame_rounds_like_the_scalar(rows):
    amounts, currencies = zip(*rows, strict=True)
    expected = [round_half_away(a, places(c)) for a, c in rows]
    result = in_a_frame(amounts, currencies)
    assert result.dtype == AMOUNT
    assert result.to_list() == expected


@given(AMOUNTS, CURRENCIES)
def test_rounding_is_symmetric_and_rounding_again_changes_nothing(amount, currency):
    once = round_half_away(amount, places(currency))
    assert round_half_away(-amount, places(currency)) == -once
    assert round_half_away(once, places(currency)) == once
    assert abs(once - amount) * 2 <= Decimal(1).scaleb(-places(currency))


def test_a_frame_with_an_unknown_currency_is_refused():
    with pytest.raises(pl.exceptions.InvalidOperationError):
        in_a_frame([Decimal(1)], ["EURO"])


def test_an_empty_frame_stays_empty():
    assert in_a_frame([], []).to_list() == []
