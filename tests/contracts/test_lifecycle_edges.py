"""What changes, cancellations and pauses leave of fees, at the edges of their rules."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.contracts.windows import charge_windows
from meterhouse.money import QUANTITY
from meterhouse.pricing.charging import charge_lines
from meterhouse.run.windows import read_series
from tests.contracts.planning import API, DAYS, SEATS, contract, recorded, windows

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


SEATS_UP = SEATS | {"quantity": "3", "quantities": [{"from": "2024-01-11", "quantity": "5"}]}


@pytest.mark.parametrize("timing", ["advance", "arrears"])
def test_quantities_charged_whole_cost_the_highest_of_the_period(timing):
    told = contract(items=[SEATS_UP | {"timing": timing}], profile={"prorate_quantity": "full"})
    assert net(told) == 50


@pytest.mark.parametrize(
    "end",
    [
        {"cancellation": at_once("2024-01-21")},
        {"pauses": [{"from": "2024-01-21"}]},
    ],
)
def test_a_cancellation_or_a_pause_gives_back_all_quantities_charged_whole(end):
    told = contract(items=[SEATS_UP], profile={"prorate_quantity": "full"}, **end)
    # 11 of 31 days of 30.00 and of 20.00.
    assert charged(told) == [
        ("fee", "2024-01-01", str(30 - Decimal("10.65"))),
        ("fee", "2024-01-11", "12.9"),
    ]


def test_a_quantity_that_begins_with_a_period_and_is_charged_whole_is_charged_once():
    item = SEATS | {"quantity": "3", "quantities": [{"from": "2024-02-01", "quantity": "5"}]}
    told = contract(items=[item], profile={"prorate_quantity": "full"})
    assert net(told, date(2024, 3, 1)) == 80


def test_a_fall_that_waits_does_not_pay_for_the_days_of_a_pause():
    item = SEATS | {"quantity": "31", "quantities": [{"from": "2024-01-06", "quantity": "15.5"}]}
    told = contract(
        items=[item],
        profile={"downgrade_effect": "end_of_period"},
        pauses=[{"from": "2024-01-11", "until": "2024-01-21"}],
    )
    # 310.00 for 31 days: ten are paused, and the fall waits for February on both sides of them.
    assert charged(told, date(2024, 3, 1)) == [
        ("fee", "2024-01-01", "100"),
        ("fee", "2024-01-21", "110"),
        ("fee", "2024-02-01", "155"),
    ]


def test_a_fall_during_a_pause_waits_for_the_next_period_too():
    item = SEATS | {"quantity": "31", "quantities": [{"from": "2024-01-15", "quantity": "15.5"}]}
    told = contract(
        items=[item],
        profile={"downgrade_effect": "end_of_period"},
        pauses=[{"from": "2024-01-11", "until": "2024-01-21"}],
    )
    assert net(told) == 210


@pytest.mark.parametrize("of", [None, "late"])
def test_an_item_that_begins_after_a_change_of_the_anchor_has_the_grid_it_made(of):
    """The anchor goes to the 15th on 10 February; the item begins on 1 and on 5 March."""
    change = {"from": "2024-02-10", "anchor_day": 15} | ({} if of is None else {"item": of})
    late = FEE | {"id": "late", "from": "2024-03-01"}
    for begins, due in (("2024-03-01", "14"), ("2024-03-05", "10")):
        told = contract(items=[late | {"from": begins}], anchor_changes=[change])
        frame = windows(told, date(2024, 4, 1)).sort("window_start_on")
        assert frame.select(
            pl.col("window_start_on", "window_end_on", "due_on", "period_start_on").cast(pl.String),
            pl.col("share_numerator").cast(pl.String),
        ).rows() == [
            (begins, "2024-03-15", begins, "2024-02-15", due),
            ("2024-03-15", "2024-04-15", "2024-03-15", "2024-03-15", "31"),
        ]


def test_a_change_of_the_anchor_before_an_item_begins_does_not_move_what_is_paid_already():
    """Both items share the grid, whichever of them is there first."""
    change = [{"from": "2024-02-10", "anchor_day": 15}]
    both = contract(items=[FEE, FEE | {"id": "late", "from": "2024-03-15"}], anchor_changes=change)
    alone = contract(items=[FEE | {"id": "late", "from": "2024-03-15"}], anchor_changes=change)
    frame = windows(both, date(2024, 6, 1))
    one = windows(alone, date(2024, 6, 1))
    assert frame.filter(item_id="late").equals(one)


@pytest.mark.parametrize(
    ("first", "second", "again", "starts"),
    [
        ({"product": "seats"}, {"product": "seats"}, None, "2024-03-11"),
        ({"product": "seats"}, {"product": "seats"}, True, "2024-03-18"),
        ({"product": "seats"}, {"product": "other"}, None, "2024-03-18"),
        ({}, {}, None, "2024-03-18"),
        ({"from_plan": "pro"}, {"from_plan": "pro"}, None, "2024-03-11"),
    ],
)
def test_a_trial_is_given_once_for_a_customer_and_product(first, second, again, starts):
    more = {} if again is None else {"again": again}
    told = [
        contract(
            start=start, items=[SEATS | item], trial={"until": until, **extra},
            cancellation=end,
        )
        for start, item, until, extra, end in (
            ("2024-03-04", first, "2024-03-11", {}, at_once("2024-03-11")),
            ("2024-03-11", second, "2024-03-18", more, None),
        )
    ]  # fmt: skip
    # The order in which they were recorded does not matter, nor does a contract of another.
    other = contract(
        customer="b", start="2024-03-11", items=[SEATS | second], trial={"until": "2024-03-18"}
    )
    documents = [
        ("contract", id, None, one.model_dump(mode="json", by_alias=True))
        for id, one in (("z", told[0]), ("a", told[1]), ("b", other))
    ]
    with recorded(documents) as db:
        frame = charge_windows(
            db.sql("from book.contracts").pl(), db.sql("from book.contract_items").pl(),
            DAYS, date(2024, 4, 1), read_series(db),
        )  # fmt: skip
    begins = dict(frame.group_by("contract_id").agg(pl.col("window_start_on").min()).rows())
    assert begins["a"] == date.fromisoformat(starts)
    assert begins["b"] == date(2024, 3, 18)


def test_usage_of_a_day_of_cancellation_that_is_charged_is_in_the_window_and_due_after_it():
    told = contract(
        items=[SEATS | {"timing": "arrears"}, API],
        cancellation=at_once("2024-01-16"),
        profile={"cancel_day": "charged"},
    )
    frame = windows(told, FEB).sort("item_id")
    assert frame["window_end_on"].to_list() == [date(2024, 1, 17)] * 2
    # A fee is known on the day itself, usage of it is not before it is over.
    assert frame["due_on"].to_list() == [date(2024, 1, 17), date(2024, 1, 16)]


def due(told, horizon, item):
    frame = windows(told, horizon).filter(item_id=item).sort("window_start_on")
    return [str(day) for day in frame["due_on"]]


def test_what_fell_due_since_is_billed_on_the_next_invoice_day():
    items = [SEATS, API]
    told = contract(items=items, invoice_day=31)
    assert due(told, date(2024, 3, 2), "seats") == ["2024-01-31", "2024-02-29", "2024-03-31"]
    assert due(told, date(2024, 3, 2), "api") == ["2024-02-29", "2024-03-31", "2024-04-30"]
    tenth = contract(items=items, invoice_day=10, due_after_days=12)
    # Due on the 13th at last: a day after the tenth waits for the next month.
    assert due(tenth, FEB, "seats") == ["2024-02-10"]
    first = contract(items=items, invoice_day=1)
    assert due(first, FEB, "seats") == ["2024-01-01"]


def test_a_fee_may_be_billed_before_its_period_but_not_before_the_contract_begins():
    told = contract(items=[SEATS, API], invoice_before_days=10)
    # On 22 January, the first day after the horizon is not reached, the fee of February is there.
    assert due(told, date(2024, 1, 23), "seats") == ["2024-01-01", "2024-01-22"]
    assert due(told, date(2024, 1, 22), "seats") == ["2024-01-01"]
    assert due(told, date(2024, 1, 23), "api") == ["2024-02-01"]
    changed = SEATS | {"quantities": [{"from": "2024-02-11", "quantity": "2"}]}
    both = contract(items=[changed], invoice_before_days=10)
    assert due(both, date(2024, 2, 23), "seats") == [
        *("2024-01-01", "2024-01-22", "2024-02-11", "2024-02-20"),
    ]


@pytest.mark.parametrize(
    ("when", "through", "lines"),
    [
        # 40.00 of three months of 10.00 by April; the last of March is billed on the 11th.
        ({"due_after_days": 10}, "2024-04-10", 0),
        ({"due_after_days": 10}, "2024-04-11", 1),
        ({"invoice_day": 20}, "2024-04-19", 0),
        ({"invoice_day": 20}, "2024-04-20", 1),
    ],
)
def test_a_true_up_is_due_after_the_last_window_of_its_span(when, through, lines):
    arrears = SEATS | {"timing": "arrears"}
    quarter = {"id": "q", "amount": "40", "period": "quarter"}
    told = contract(items=[arrears], modifiers={"commitments": [quarter]}, **when)
    frame = windows(told, date(2024, 4, 1)).with_columns(
        quantity=pl.col("fixed_quantity").cast(QUANTITY)
    )
    until = date.fromisoformat(through)
    known = pl.DataFrame(
        {
            "contract_id": ["k"],
            "modifiers": [told.modifiers.model_dump_json(by_alias=True, exclude_none=True)],
            "start_on": [told.start],
            "end_on": pl.Series([None], dtype=pl.Date),
            "due_after_days": [told.due_after_days or 0],
            "invoice_day": pl.Series([told.invoice_day], dtype=pl.Int64),
        }
    )
    due_now = frame.filter(pl.col("due_on") <= until)
    found = charge_lines(due_now, contracts=known, through=until).filter(component="true_up")
    assert found["amount"].to_list() == [Decimal(10)] * lines
    assert found["due_on"].to_list() == [until] * lines


ENDS = [
    {"end": "2024-01-16"},
    {"cancellation": at_once("2024-01-16")},
]


@pytest.mark.parametrize("timing", ["advance", "arrears"])
@pytest.mark.parametrize("end", ENDS, ids=["end", "cancelled"])
@pytest.mark.parametrize(
    ("mode", "costs"), [(None, "9.68"), ("prorate", "9.68"), ("full", "20"), ("none", "0")]
)
def test_a_last_period_that_ends_early_is_cut_whole_or_free(timing, end, mode, costs):
    profile = {} if mode is None else {"profile": {"prorate_end": mode}}
    told = contract(items=[FEE | {"timing": timing}], **end, **profile)
    assert net(told) == Decimal(costs)
    # The periods before it cost what they cost, and one that ends with its period is not cut.
    whole = contract(items=[FEE | {"timing": timing}], end="2024-02-01", **profile)
    assert net(whole, date(2024, 3, 1)) == 20


@pytest.mark.parametrize(("mode", "costs"), [("prorate", "9.68"), ("full", "20"), ("none", "0")])
def test_an_item_that_ends_early_ends_like_its_contract(mode, costs):
    told = contract(items=[SEATS, FEE | {"until": "2024-01-16"}], profile={"prorate_end": mode})
    assert net(told) == 10 + Decimal(costs)


def test_a_cancellation_at_once_ends_the_span_of_a_commitment():
    """90.00 a quarter, cancelled on its 47th day of 91: 46 days are owed, and due on that day."""
    quarter = {"id": "q", "amount": "91", "period": "quarter"}
    told = contract(
        items=[SEATS | {"timing": "arrears"}],
        modifiers={"commitments": [quarter]},
        cancellation=at_once("2024-02-16"),
    )
    frame = windows(told, date(2024, 4, 1)).with_columns(
        quantity=pl.col("fixed_quantity").cast(QUANTITY)
    )
    known = pl.DataFrame(
        {
            "contract_id": ["k"],
            "modifiers": [told.modifiers.model_dump_json(by_alias=True, exclude_none=True)],
            "start_on": [told.start],
            "end_on": [date(2024, 2, 16)],
        }
    )
    early = charge_lines(frame, contracts=known, through=date(2024, 2, 15))
    assert early.filter(component="true_up").is_empty()
    late = charge_lines(frame, contracts=known, through=date(2024, 2, 16))
    # 10.00 of January and 10 x 15/29 = 5.17 of February count: 46.00 - 15.17.
    assert late.filter(component="true_up").select("amount", "due_on", "window_end_on").rows() == [
        (Decimal("30.83"), date(2024, 2, 16), date(2024, 2, 16))
    ]


def test_a_free_last_period_has_no_discount_either():
    told = contract(
        items=[FEE | {"modifiers": {"discounts": [{"amount": "5"}]}}],
        profile={"prorate_end": "none"},
        cancellation=at_once("2024-02-16"),
    )
    assert charged(told, date(2024, 3, 1)) == [
        ("discount", "2024-01-01", "-5"),
        ("fee", "2024-01-01", "20"),
    ]
