"""Units that items share: for a period, whatever divides it, and for each term anew."""

from datetime import date
from decimal import Decimal

import polars as pl

from meterhouse.pricing.charging import charge_lines
from tests.pricing.modified import TYPES, contract, month, window

MIDDLE = date(2024, 1, 16)
POOL = {"pools": [{"id": "p", "quantity": "10"}]}


def part(name, opens, closes, quantity, **fields):
    return window(
        1, quantity, window_id=name, window_start_on=opens, window_end_on=closes,
        period_start_on=month(1), period_end_on=month(2), due_on=closes, **fields,
    )  # fmt: skip


def charged(windows, modifiers, **fields):
    frame = pl.DataFrame(windows, schema_overrides=TYPES)
    contracts = contract(modifiers).with_columns(**fields)
    told = charge_lines(frame, None, contracts)
    return {one["window_id"]: one["amount"] for one in told.to_dicts()}


def test_the_parts_of_a_period_have_one_pool_of_it():
    halves = [part("a", month(1), MIDDLE, "8"), part("b", MIDDLE, month(2), "8")]
    # 16 units less 10, at 10.00 each, wherever the period is cut.
    assert charged(halves, POOL) == {"a": 0, "b": 60}
    apart = [{**one, "split_tiers": "restart"} for one in halves]
    assert charged(apart, POOL) == {"a": 0, "b": 0}


def test_an_item_that_is_not_divided_shares_the_pool_with_one_that_is():
    halves = [part("a", month(1), MIDDLE, "4"), part("b", MIDDLE, month(2), "4")]
    whole = [window(1, "5", item="other"), window(2, "10", item="other")]
    found = charged([*halves, *whole], POOL)
    # 4 of the first half and 5 of the month that begins with it, then 1 of 4; February is new.
    assert found == {"a": 0, "other-1": 0, "b": 30, "other-2": 0}


def test_a_pool_of_a_term_is_given_for_every_term_anew():
    modifiers = {"pools": [{"id": "p", "quantity": "10", "cadence": "term"}]}
    used = [window(n, "8") for n in (1, 2, 13, 14)]
    renewed = {"term_ends": pl.lit([month(13), month(25)], pl.List(pl.Date))}
    found = charged(used, modifiers, **renewed)
    assert found == {"api-1": 0, "api-2": 60, "api-13": 0, "api-14": 60}
    assert sum(charged(used, modifiers).values()) == Decimal(220)
