import json
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json
from meterhouse.errors import UsageError
from meterhouse.money import AMOUNT, QUANTITY, places, round_half_away
from meterhouse.periods import boundary
from meterhouse.pricing import flat
from meterhouse.pricing.rating import rate_windows
from meterhouse.pricing.scalar import charge

WINDOW = {
    "currency": "EUR",
    "prorate_start": True,
    "prorate_end": True,
    "window_start_on": date(2024, 1, 1),
    "window_end_on": date(2024, 2, 1),
    "period_start_on": date(2024, 1, 1),
    "period_end_on": date(2024, 2, 1),
}
SCHEMA = {
    "window_id": pl.String,
    "price_model": pl.String,
    "price": pl.String,
    "quantity": QUANTITY,
    "currency": pl.String,
    "prorate_start": pl.Boolean,
    "prorate_end": pl.Boolean,
    "window_start_on": pl.Date,
    "window_end_on": pl.Date,
    "period_start_on": pl.Date,
    "period_end_on": pl.Date,
}
TIERS = [
    {"up_to": "100", "unit_amount": "0.10", "flat_amount": "5"},
    {"up_to": "1000", "unit_amount": "0.05", "flat_amount": "3"},
    {"up_to": None, "unit_amount": "0.01", "flat_amount": "0"},
]
GRADUATED = {"model": "graduated", "tiers": TIERS, "bill_flat_on_zero": True}
PER_UNIT = {"model": "per_unit", "unit_amount": "0.5", "per": "1"}
FLAT = {"model": "flat", "amount": "100"}


def frame(rows):
    """One window per (price, quantity, changes)."""
    return pl.DataFrame(
        [
            WINDOW
            | {
                "window_id": f"{number:04}",
                "price_model": price["model"],
                "price": canonical_json(price),
                "quantity": Decimal(quantity),
            }
            | changes
            for number, (price, quantity, changes) in enumerate(rows)
        ],
        schema=SCHEMA,
    )


def rated(price, quantity, **changes):
    return rate_windows(frame([(price, quantity, changes)])).row(0, named=True)


def scaled(low, high, decimals):
    """Decimals of exactly that scale, the extremes included."""
    return st.integers(low * 10**decimals, high * 10**decimals).map(
        lambda units: Decimal(units).scaleb(-decimals)
    )


@st.composite
def priced_quantities(draw):
    """A price of up to 12 decimals and a quantity up to 10^12, together at most 18 decimals."""
    price_decimals = draw(st.integers(0, 12))
    quantity_decimals = draw(st.integers(0, 18 - price_decimals).map(lambda n: min(n, 12)))
    # An amount has 20 digits before the point: quantities of 10^12 leave 10^7 for a price.
    money = scaled(0, 10**6, price_decimals).map(str)
    quantity = draw(scaled(-100, 10**12, quantity_decimals) | st.just(Decimal(0)))
    return draw(st.one_of(per_unit_prices(price_decimals), graduated_prices(money))), quantity


@st.composite
def per_unit_prices(draw, decimals):
    power = draw(st.integers(0, decimals))
    unit = draw(scaled(-(10**6), 10**6, decimals - power))
    return {"model": "per_unit", "unit_amount": format(unit, "f"), "per": str(10**power)}


@st.composite
def graduated_prices(draw, money):
    bounds = draw(st.lists(scaled(1, 10**6, 3), unique=True, max_size=4).map(sorted))
    tiers = [
        {"up_to": bound, "unit_amount": draw(money), "flat_amount": draw(money)}
        for bound in [*map(str, bounds), None]
    ]
    return {"model": "graduated", "tiers": tiers, "bill_flat_on_zero": draw(st.booleans())}


@given(st.lists(priced_quantities(), min_size=1, max_size=6))
def test_usage_is_rated_as_the_obvious_charge_says(rows):
    result = rate_windows(frame([(price, quantity, {}) for price, quantity in rows]))
    assert result["amount_unrounded"].to_list() == [charge(p, q) for p, q in rows]
    assert result["amount"].to_list() == [round_half_away(charge(p, q), 2) for p, q in rows]
    for amount, steps in result.select("amount_unrounded", "steps").rows():
        with localcontext(prec=60):  # 28 digits, as by default, round the largest sums.
            parts = sum((Decimal(step["amount"]) for step in json.loads(steps)), Decimal(0))
        assert parts == amount
        assert steps == canonical_json(json.loads(steps))


@given(priced_quantities().filter(lambda drawn: drawn[1] > 0))
def test_the_units_of_the_steps_are_the_quantity(drawn):
    price, quantity = drawn
    steps = json.loads(rated(price, quantity)["steps"])
    assert sum(Decimal(step["quantity"]) for step in steps) == quantity
    assert steps[0]["from"] == "0"
    assert steps[-1]["to"] is None or quantity <= Decimal(steps[-1]["to"])
    assert [step["to"] for step in steps[:-1]] == [step["from"] for step in steps[1:]]


@given(
    amount=scaled(-(10**6), 10**6, 12),
    quantity=scaled(0, 10**4, 3),
    currency=st.sampled_from(["EUR", "JPY", "KWD", "CLF"]),
    anchor_day=st.integers(1, 31),
    month=st.integers(0, 60),
    cuts=st.tuples(st.integers(0, 27), st.integers(0, 27)).filter(lambda cut: sum(cut) < 28),
    prorate=st.tuples(st.booleans(), st.booleans()),
)
def test_a_cut_fee_is_rated_as_the_obvious_charge_says(
    amount, quantity, currency, anchor_day, month, cuts, prorate
):
    start, end = (boundary(date(2023, 1, 1), anchor_day, month + k) for k in (0, 1))
    late, early = cuts
    result = rated(
        {"model": "flat", "amount": format(amount, "f")},
        quantity,
        currency=currency,
        prorate_start=prorate[0],
        prorate_end=prorate[1],
        window_start_on=date.fromordinal(start.toordinal() + late),
        window_end_on=date.fromordinal(end.toordinal() - early),
        period_start_on=start,
        period_end_on=end,
    )
    period = (end - start).days
    days = period - late * prorate[0] - early * prorate[1]
    price = {"amount": format(amount, "f")}
    assert result["amount_unrounded"] == flat.charge(quantity, price, days, period)
    # Rounding the 18 places again gives what rounding the exact fraction once gives.
    exact = Fraction(amount) * Fraction(quantity) * days / period
    unit = 10 ** places(currency)
    halves = abs(exact) * unit * 2
    away = (halves.numerator // halves.denominator + 1) // 2
    assert Fraction(result["amount"]) == Fraction(away, unit) * (1 if exact >= 0 else -1)
    (step,) = json.loads(result["steps"])
    assert Decimal(step["amount"]) == result["amount_unrounded"]
    assert (step["days"], step["period_days"]) == (str(days), str(period))


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("0", "5"), ("100", "15"), ("100.000001", "18.00000005"), ("1000", "63"), ("1100", "64")],
)
def test_a_bound_lies_in_its_tier_and_a_tier_reached_adds_its_flat(quantity, expected):
    assert rated(GRADUATED, quantity)["amount_unrounded"] == Decimal(expected)


def test_the_first_flat_at_quantity_zero_is_a_choice_of_the_price():
    assert rated(GRADUATED, "0")["amount"] == 5
    silent = rated(GRADUATED | {"bill_flat_on_zero": False}, "0")
    assert (silent["amount"], silent["steps"]) == (0, "[]")


@pytest.mark.parametrize("price", [GRADUATED, PER_UNIT, FLAT])
def test_a_negative_quantity_prices_to_zero(price):
    assert rated(price, "-7")["amount"] == 0
    assert charge(price, Decimal(-7)) == 0
    assert rated(price, "-7")["quantity"] == -7


def test_usage_beyond_a_closed_last_tier_is_priced_by_it():
    closed = GRADUATED | {"tiers": [TIERS[0], TIERS[1]]}
    assert rated(closed, "1100")["amount"] == charge(closed, Decimal(1100)) == 68


def test_a_price_for_a_million_units_is_exact_for_one():
    price = {"model": "per_unit", "unit_amount": "2.5", "per": "1000000"}
    assert rated(price, "1")["amount_unrounded"] == Decimal("0.0000025")
    assert rated(price, "123456789")["amount"] == Decimal("308.64")


def test_the_currency_decides_the_places():
    amounts = {c: rated(PER_UNIT, "0.25", currency=c)["amount"] for c in ("JPY", "EUR", "KWD")}
    assert amounts == {"JPY": Decimal(0), "EUR": Decimal("0.13"), "KWD": Decimal("0.125")}


def test_the_steps_of_graduated_read_like_the_price():
    assert rated(GRADUATED, "250")["steps"] == (
        '[{"amount":"15","flat_amount":"5","from":"0","quantity":"100","step":"tier",'
        '"to":"100","unit_amount":"0.1"},'
        '{"amount":"10.5","flat_amount":"3","from":"100","quantity":"150","step":"tier",'
        '"to":"1000","unit_amount":"0.05"}]'
    )


def test_the_steps_of_a_cut_fee_show_its_days():
    result = rated(FLAT, "2", window_start_on=date(2024, 1, 16))
    assert result["amount"] == Decimal("103.23")
    assert json.loads(result["steps"]) == [
        {
            "amount": "103.225806451612903226",
            "days": "16",
            "from": "0",
            "period_days": "31",
            "quantity": "2",
            "step": "flat",
            "to": None,
            "unit_amount": "100",
        }
    ]


def test_usage_prices_are_never_prorated():
    assert rated(PER_UNIT, "10", window_start_on=date(2024, 1, 16))["amount"] == 5


def test_a_frame_of_all_models_keeps_one_row_per_window():
    result = rate_windows(frame([(FLAT, "1", {}), (GRADUATED, "250", {}), (PER_UNIT, "3", {})]))
    assert result.select("window_id", "amount").rows() == [
        ("0000", Decimal(100)),
        ("0001", Decimal("25.5")),
        ("0002", Decimal("1.5")),
    ]
    assert result.schema == pl.Schema(
        {
            "window_id": pl.String(),
            "quantity": QUANTITY,
            "amount_unrounded": AMOUNT,
            "amount": AMOUNT,
            "steps": pl.String(),
        }
    )


def test_no_windows_are_rated_to_no_rows_of_the_same_columns():
    assert rate_windows(frame([])).schema == rate_windows(frame([(FLAT, "1", {})])).schema


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"'gradated' of 1 windows .* did you mean 'graduated'\?"):
        rated(GRADUATED | {"model": "gradated"}, "1")


def test_a_window_without_a_quantity_is_refused():
    broken = frame([(FLAT, "1", {})]).with_columns(quantity=pl.lit(None, dtype=QUANTITY))
    with pytest.raises(UsageError, match=r"1 windows have no quantity, the first is '0000'"):
        rate_windows(broken)


def test_a_window_that_is_there_twice_is_refused_and_not_charged_twice():
    twice = frame([(FLAT, "1", {}), (PER_UNIT, "2", {})]).with_columns(window_id=pl.lit("w"))
    with pytest.raises(UsageError, match=r"1 windows are there more than once, .* 'w'"):
        rate_windows(twice)


def test_windows_come_back_in_their_order_whatever_their_models():
    asked = frame([(PER_UNIT, "3", {}), (FLAT, "1", {}), (PER_UNIT, "2", {})])
    turned = asked.reverse()
    assert rate_windows(turned).rows() == rate_windows(asked).reverse().rows()


def test_an_incomplete_price_is_refused():
    with pytest.raises(UsageError, match="1 windows have no amount_unrounded"):
        rated({"model": "per_unit", "unit_amount": "1"}, "1")


def test_an_amount_that_does_not_fit_is_an_error_and_not_a_wrong_number():
    price = {"model": "per_unit", "unit_amount": "1000000000", "per": "1"}
    with pytest.raises(pl.exceptions.PolarsError):
        rated(price, "1000000000000")
