"""What changes, cancellations and pauses leave of fees, at the edges of their rules."""

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.money import QUANTITY
from meterhouse.pricing.charging import charge_lines
from tests.contracts.planning import SEATS, contract, lines, shown, windows

FEB = date(2024, 2, 1)
FEE = {"id": "fee", "description": "Fee", "price": {"model": "flat", "amount": "20"}}


def at_once(on):
    return {"on": on, "effective": "at_once"}


def charged(told, horizon=FEB):
    """Component, item and amount of all lines, those of modifiers too, that are not nothing."""
    frame = windows(told, horizon)
    known = pl.DataFrame(
        {
            "contract_id": ["k"],
            "modifiers": [
                None
                if told.modifiers is None
                else told.modifiers.model_dump_json(by_alias=True, exclude_none=True)
            ],
            "start_on": [told.start],
            "end_on": [None],
        },
        schema_overrides={"end_on": pl.Date, "modifiers": pl.String},
    )
    asked = frame.with_columns(quantity=pl.col("fixed_quantity").cast(QUANTITY))
    starts = frame.select("window_start_on", based_on="window_id")
    found = (
        charge_lines(asked, contracts=known)
        .filter(pl.col("amount") != 0)
        .drop("window_start_on")
        .join(starts, on="based_on")
    )
    return [
        (row[0], str(row[1]), str(row[2].normalize() + 0))
        for row in found.select("component", "window_start_on", "amount").sort(
            "window_start_on", "component"
        ).rows()
    ]  # fmt: skip


def net(told, horizon=FEB):
    return sum(Decimal(one[2]) for one in charged(told, horizon))


@pytest.mark.parametrize(
    ("discount", "billed", "back"),
    [
        ({"amount": "5"}, "15", "7.74"),  # 15 x 16/31
        ({"amount": "30"}, "0", "0"),
        ({"percentage": "0.25"}, "15", "7.74"),
        ({"percentage": "0.5", "cap": "5"}, "15", "7.74"),
        ({"amount": "9.68"}, "10.32", "5.33"),  # 10.32 x 16/31 = 5.326
    ],
)
@pytest.mark.parametrize("of", ["item", "contract"])
def test_what_goes_back_is_a_part_of_what_was_billed_net_of_its_discount(
    discount, billed, back, of
):
    if of == "item":
        told = {"items": [FEE | {"modifiers": {"discounts": [discount]}}]}
    else:
        told = {"items": [FEE], "modifiers": {"discounts": [{"id": "off", **discount}]}}
    assert net(contract(**told)) == Decimal(billed)
    cut = contract(**told, cancellation=at_once("2024-01-16"))
    assert Decimal(billed) - net(cut) == Decimal(back)


def test_a_fee_added_with_a_discount_and_removed_gives_back_of_what_it_was_billed():
    """20.00 from the 16th is 10.32; removed on the 20th, 10.32 x 12/16 = 7.74 goes back."""
    added = {**FEE, "from": "2024-01-16", "until": "2024-01-20"}
    assert net(contract(items=[added])) == Decimal("10.32") - Decimal("7.74")
    cheap = added | {"modifiers": {"discounts": [{"amount": "2.32"}]}}
    # 8.00 x 12/16 = 6.00.
    assert net(contract(items=[cheap])) == Decimal("2.00")


def test_what_a_cut_gives_back_of_a_discount_is_there_for_the_rest_of_the_period():
    item = FEE | {
        "prices": [{"from": "2024-01-16", "price": {"model": "flat", "amount": "40"}}],
        "modifiers": {"discounts": [{"amount": "5"}]},
    }
    # 20 - 10.32 and 40 x 16/31; of the 5 the first keeps 2.42.
    assert charged(contract(items=[item])) == [
        ("discount", "2024-01-01", "-2.42"),
        ("fee", "2024-01-01", "9.68"),
        ("discount", "2024-01-16", "-2.58"),
        ("fee", "2024-01-16", "20.65"),
    ]


def test_a_discount_of_a_contract_keeps_its_shares_of_the_other_fees_when_one_is_cut():
    other = FEE | {"id": "other"}
    gone = FEE | {"until": "2024-01-16"}
    off = {"discounts": [{"id": "off", "amount": "10"}]}
    whole = charged(contract(items=[FEE, other], modifiers=off))
    assert [one[2] for one in whole] == ["-5", "-5", "20", "20"]
    cut = charged(contract(items=[gone, other], modifiers=off))
    assert sorted(one[2] for one in cut) == ["-2.42", "-5", "20", "9.68"]


@pytest.mark.parametrize(
    ("count", "until", "left"),
    [
        # 30.00 for January of 31 days, counted as 30: what is kept are the days that were served.
        ("actual_360", "2024-01-02", "1"),
        ("actual_360", "2024-01-16", "15"),
        ("actual_360", "2024-01-31", "30"),
        ("strict_30_360", "2024-01-02", "1"),
        ("strict_30_360", "2024-01-16", "15"),
        ("strict_30_360", "2024-01-31", "30"),
        ("fixed_days", "2024-01-02", "1"),
        ("fixed_days", "2024-01-16", "15"),
        ("fixed_days", "2024-01-31", "30"),
    ],
)
def test_a_cut_month_of_31_days_keeps_what_its_served_days_cost(count, until, left):
    fee = FEE | {"price": {"model": "flat", "amount": "30"}}
    told = contract(items=[fee], profile={"day_count": count}, cancellation=at_once(until))
    assert net(told) == Decimal(left)


@pytest.mark.parametrize("count", ["actual_360", "strict_30_360", "fixed_days"])
def test_a_stub_that_is_cut_again_keeps_its_served_days_of_thirty(count):
    fee = FEE | {"price": {"model": "flat", "amount": "30"}, "from": "2024-01-11"}
    told = contract(items=[fee], profile={"day_count": count}, cancellation=at_once("2024-01-21"))
    assert net(told) == Decimal(10)
