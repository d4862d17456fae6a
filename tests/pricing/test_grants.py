"""Grants of contracts as lines: refills, rollover, top-ups, rewards, and their slow twins."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from meterhouse.contracts.grants import Credit
from meterhouse.entitlements import recurrence, scalar
from meterhouse.entitlements.grants import Grant
from meterhouse.pricing.modifiers.contract_terms import contract_terms
from meterhouse.pricing.modifiers.grant_sales import sales
from meterhouse.pricing.modifiers.grants import Draws
from tests.pricing import modified
from tests.pricing.modified import lines, month, window

D = Decimal
MONTHLY = {"every": 1, "unit": "month"}


def at(day):
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def paid_by(found):
    """What usage costs by window."""
    return dict(found.filter(component="usage").select("window_id", "amount").iter_rows())


@st.composite
def grants(draw):
    """Grants of units: plain, recurring with rollover or kept overage, paid."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        more = {"id": f"g{number}", "unit": "units", "amount": str(draw(st.integers(1, 40)))}
        more["priority"] = draw(st.integers(1, 2))
        if draw(st.booleans()):
            more |= {"kind": "paid", "unit_price": "2"}
        if draw(st.booleans()):
            more["recurs"] = {"every": draw(st.integers(1, 2)), "unit": "month"}
            if draw(st.booleans()):
                more["rollover"] = {"max": str(draw(st.integers(0, 20)))}
            if draw(st.booleans()):
                more["preserve_overage"] = True
        if draw(st.booleans()):
            more["effective"] = str(month(draw(st.integers(1, 3))))
        if draw(st.booleans()):
            more["expires"] = str(month(draw(st.integers(4, 6))))
        found.append(more)
    return found


def twin(credits, used, last):
    """What is left to charge of each window, one account event by event."""
    held, marks = [], []
    for one in credits:
        begins = date.fromisoformat(one.get("effective", "2024-01-01"))
        ends = one.get("expires")
        held.append(
            Grant(
                "c", "units", one["id"], D(one["amount"]), at(begins),
                expires_at=at(date.fromisoformat(ends)) if ends else None,
                priority=one["priority"],
                cost_basis=D(one["unit_price"]) if "unit_price" in one else None,
                rollover_max=D(one["rollover"]["max"]) if "rollover" in one else None,
                preserve_overage=one.get("preserve_overage", False),
            )
        )  # fmt: skip
        if "recurs" in one:
            days = recurrence.refills(at(begins), one["recurs"]["every"], "month", at(last), "UTC")
            marks += [scalar.Mark(day, one["id"]) for day in days if day < held[-1].ends_at]
    uses = [scalar.Use(str(n), at(month(n)), q) for n, q in enumerate(used, 1) if q]
    return scalar.draw(held, uses, at(last) + timedelta(days=1), marks, by_turn=True)


@settings(max_examples=10)
@given(grants(), st.lists(st.integers(0, 60).map(D), min_size=1, max_size=6))
def test_windows_are_charged_what_the_slow_twin_leaves_open(credits, used):
    windows = [window(n, str(quantity)) for n, quantity in enumerate(used, 1)]
    last = month(len(used) + 1)
    draws = Draws()
    found = paid_by(lines(windows, {"credits": credits}, through=last, draws=draws))
    expected = twin(credits, used, last)
    for number, quantity in enumerate(used, 1):
        open_units = expected.overage.get(str(number), D(0)) if quantity else D(0)
        assert found[f"api-{number}"] == open_units * 10
    told = draws.balances[0].group_by("grant_id").agg(pl.col("remaining").sum())
    left = {name: D(0) for name in expected.balances} | dict(told.iter_rows())
    assert left == expected.balances


@settings(max_examples=6)
@given(grants(), st.lists(st.integers(0, 60).map(D), min_size=1, max_size=6))
def test_what_was_granted_is_used_passed_on_expired_or_left(credits, used):
    windows = [window(n, str(quantity)) for n, quantity in enumerate(used, 1)]
    draws = Draws()
    lines(windows, {"credits": credits}, through=month(len(used) + 1), draws=draws)
    for row in draws.balances[0].to_dicts():
        came, went = row["granted"] + row["carried"], row["used"] + row["passed_on"]
        assert came == went + row["expired"] + row["remaining"]
        assert min(row["carried"], row["used"], row["expired"], row["remaining"]) >= 0
    assert draws.uses[0]["quantity"].sum() == draws.balances[0]["used"].sum()


def naive_top_ups(amount, below, step, most, used):
    """Units that top-ups added in each month, use by use."""
    balance, added = D(amount), []
    for quantity in used:
        times, rest = 0, quantity
        while True:
            taken = min(balance, rest)
            balance, rest = balance - taken, rest - taken
            if not quantity or balance > below or times == most:
                break
            balance, times = balance + step, times + 1
        added.append(times * step)
    return added


@settings(max_examples=10)
@given(
    st.integers(1, 30), st.integers(0, 10), st.integers(1, 20), st.integers(1, 3),
    st.lists(st.integers(0, 60).map(D), min_size=1, max_size=6),
)  # fmt: skip
def test_top_ups_come_when_a_use_leaves_too_little(amount, below, step, most, used):
    top_up = {"below": str(below), "amount": str(step), "max_per_period": most}
    credit = {"id": "g", "unit": "units", "amount": str(amount), "top_up": top_up}
    credit |= {"kind": "paid", "unit_price": "0.5"}
    windows = [window(n, str(quantity)) for n, quantity in enumerate(used, 1)]
    found = lines(windows, {"credits": [credit]})
    sold = found.filter(component="units_sale").select("window_start_on", "amount").iter_rows()
    expected = naive_top_ups(amount, D(below), step, most, used)
    told = {month(n): D(added) / 2 for n, added in enumerate(expected, 1) if added}
    assert dict(sold) == told
    open_units = max(sum(used) - amount - sum(expected), D(0))
    # Later top-ups pay no earlier use, so at least this much is overage.
    assert sum(paid_by(found).values()) >= open_units * 10


def test_promotional_money_recurs_and_lapses():
    credit = {"id": "g", "amount": "30", "recurs": MONTHLY, "rollover": {"max": "10"}}
    found = lines([window(1, "1"), window(2, "9")], {"credits": [credit]})
    used = found.filter(component="credit").sort("window_start_on")["amount"].to_list()
    assert used == [D(-10), D(-40)]


def test_a_reward_is_granted_when_enough_was_spent_and_pays_what_comes_later():
    credit = {"id": "g", "amount": "15", "reward": {"spend": "50"}}
    found = lines([window(n, "3") for n in (1, 2, 3)], {"credits": [credit]})
    used = found.filter(component="credit")
    # 60 are reached by February, which is due on 1 March.
    assert used.select("window_start_on", "amount").rows() == [(month(3), D(-15))]


def test_a_reward_lasts_from_the_day_on_which_it_was_reached():
    credit = {"id": "g", "amount": "50", "reward": {"spend": "50"}, "expires_after": MONTHLY}
    found = lines([window(n, "3") for n in (1, 2, 3, 4)], {"credits": [credit]})
    used = found.filter(component="credit")
    # Reached on 1 March, it pays March and not April.
    assert used.select("window_start_on", "amount").rows() == [(month(3), D(-30))]


def test_each_grant_is_topped_up_by_what_those_before_it_leave():
    top_up = {"below": "0", "amount": "10", "max_per_period": 1}
    paid = {"amount": "10", "unit": "units", "kind": "paid", "unit_price": "1", "top_up": top_up}
    credits = [{"id": "b", "priority": 2, **paid}, {"id": "a", "priority": 1, **paid}]
    found = lines([window(1, "100")], {"credits": credits})
    sold = found.filter(component="units_sale").sort("item_id")
    assert sold.select("item_id", "amount").rows() == [("a", D(10)), ("b", D(10))]
    assert paid_by(found) == {"api-1": D(600)}


@pytest.mark.parametrize(
    ("said", "left"),
    [({"effective": "2024-02-02"}, []), ({"expires": "2024-02-02"}, [(month(1), D(12))])],
)
def test_balances_are_those_of_the_last_day_itself(said, left):
    draws = Draws()
    credit = {"id": "g", "amount": "15", "unit": "units", **said}
    lines([window(1, "3")], {"credits": [credit]}, through=date(2024, 2, 1), draws=draws)
    assert draws.balances[0].select("granted_on", "remaining").rows() == left


PACK = {"id": "g", "amount": "10", "unit": "units", "kind": "paid", "unit_price": "2"}


def sold(credit, last, **contract):
    """The sales of a grant: their days, and to when they serve."""
    given = modified.contract({"credits": [credit]}).with_columns(**contract)
    found = sales(contract_terms(given).credits, last)
    return found.select("window_start_on", "window_end_on", "served_end_on").rows()


def test_nothing_is_refilled_while_the_contract_is_paused():
    pause = {"from_on": date(2024, 1, 20), "until_on": date(2024, 4, 1)}
    kind = pl.List(pl.Struct({"from_on": pl.Date, "until_on": pl.Date}))
    paused = pl.lit([pause], dtype=kind)
    days = [row[0] for row in sold({**PACK, "recurs": MONTHLY}, month(5), paused=paused)]
    assert days == [month(1), month(4), month(5)]
    open_ended = pl.lit([{**pause, "until_on": None}], dtype=kind)
    assert len(sold({**PACK, "recurs": MONTHLY}, month(5), paused=open_ended)) == 1


def test_a_sale_keeps_its_days_when_the_end_of_its_contract_changes():
    ended = pl.lit(date(2024, 3, 10))
    assert sold(PACK, month(4)) == [(month(1), date(2024, 1, 2), date(2024, 1, 2))]
    assert sold(PACK, month(4), end_on=ended) == [(month(1), date(2024, 1, 2), date(2024, 3, 10))]
    yearly = {**PACK, "expires_after": {"every": 12, "unit": "month"}}
    assert sold(yearly, month(4), end_on=ended) == [(month(1), month(13), date(2024, 3, 10))]


def test_what_grants_paid_is_told_by_grant_in_the_steps():
    credits = [
        {"id": "first", "amount": "5", "unit": "units", "priority": 1},
        {"id": "second", "amount": "9", "unit": "units"},
    ]
    steps = lines([window(1, "8")], {"credits": credits})["steps"][0]
    assert '"grant":"first","quantity":"5"' in steps
    assert '"grant":"second","quantity":"3"' in steps


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"kind": "paid", "unit": "units"}, "paid units need a `unit_price`"),
        ({"unit_price": "2"}, "promo costs nothing"),
        ({"kind": "paid", "items": ["a"]}, "pays whole documents"),
        ({"rollover": {"max": "1"}}, "it needs `recurs`"),
        ({"recurs": MONTHLY, "expires_after": MONTHLY}, "a refill sets a grant anew"),
        ({"expires": "2024-02-01", "expires_after": MONTHLY}, "say the same"),
        ({"kind": "paid", "recurs": MONTHLY, "rollover": {"max": "1"}}, "keeps its rest"),
        ({"unit": "units", "reward": {"spend": "1"}}, "a reward is promotional money"),
        ({"effective": "2024-01-01", "on": "renewal"}, "keep one"),
    ],
)
def test_grants_that_cannot_be_meant_are_refused_with_a_sentence(said, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Credit.model_validate({"id": "g", "amount": "1", **said})
