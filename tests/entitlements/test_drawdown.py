"""Grants: the order of use, time, scope, refills and resets, and laws that hold for all of them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.entitlements import drawdown, scalar
from meterhouse.entitlements.grants import MARKS, USES, Grant, frame, in_order
from meterhouse.entitlements.scalar import Mark, Use

D = Decimal
START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=40)


def hours(count):
    return START + timedelta(hours=count)


def grant(name, amount, begins=0, **more):
    return Grant("c", "EUR", name, D(amount), hours(begins), **more)


def use(name, at, quantity, item=""):
    return Use(name, hours(at), D(quantity), item)


def uses_of(uses, customer="c"):
    rows = [
        (customer, "EUR", one.use_id, number, one.item_id, one.at, one.quantity)
        for number, one in enumerate(uses)
    ]
    return pl.DataFrame(rows, schema=dict(USES), orient="row")


def marks_of(marks, customer="c"):
    rows = [(customer, "EUR", one.grant_id, one.at, one.preserve_overage) for one in marks]
    return pl.DataFrame(rows, schema=dict(MARKS), orient="row")


def drawn(grants, uses, marks=(), as_of=END):
    return drawdown.draw(frame(list(grants)), uses_of(uses), as_of, marks_of(marks))


def balances(found):
    return dict(found.balances.select("grant_id", "balance").iter_rows())


def left_open(found):
    return dict(found.uses.select("use_id", "overage").iter_rows())


def burned(found):
    sums = found.burned.group_by("grant_id", "use_id").agg(pl.col("quantity").sum())
    return {(grant_id, use_id): quantity for grant_id, use_id, quantity in sums.iter_rows()}


@st.composite
def accounts(draw):
    """Grants, uses and marks of one account, all within two days."""
    when = st.integers(0, 45)
    money = st.integers(0, 5000).map(lambda units: D(units).scaleb(-2))
    grants = []
    for number in range(draw(st.integers(0, 4))):
        begins = draw(when)
        ends = st.none() | st.integers(1, 30).map(lambda more: hours(begins + more))  # noqa: B023
        more = {
            "priority": draw(st.integers(1, 3)),
            "expires_at": draw(ends),
            "voided_at": draw(ends),
            "cost_basis": draw(st.sampled_from([None, D(0), D(1)])),
            "items": draw(st.sampled_from([(), ("a",), ("a", "b")])),
            "rollover_min": draw(st.none() | money),
            "rollover_max": draw(st.none() | money),
            "preserve_overage": draw(st.booleans()),
        }
        grants.append(grant(f"g{number}", draw(money), begins, **more))
    uses = [
        use(f"u{number}", at, draw(money), draw(st.sampled_from("abc")))
        for number, at in enumerate(sorted(draw(st.lists(when, max_size=6))))
    ]
    names = st.sampled_from([None, *(one.grant_id for one in grants)])
    marks = [
        Mark(hours(draw(when)), draw(names), draw(st.booleans()))
        for _ in range(draw(st.integers(0, 3)))
    ]
    return grants, uses, marks


@settings(max_examples=40)
@given(accounts())
def test_running_sums_agree_with_one_event_after_the_other(account):
    grants, uses, marks = account
    found, expected = drawn(grants, uses, marks), scalar.draw(grants, uses, END, marks)
    assert balances(found) == expected.balances
    assert left_open(found) == expected.overage
    assert burned(found) == expected.burned


@settings(max_examples=40)
@given(accounts(), st.randoms())
def test_in_the_order_of_bills_running_sums_agree_with_their_twin(account, random):
    grants, uses, marks = account
    random.shuffle(uses)
    found = drawdown.draw(frame(list(grants)), uses_of(uses), END, marks_of(marks), by_turn=True)
    expected = scalar.draw(grants, uses, END, marks, by_turn=True)
    assert balances(found) == expected.balances
    assert left_open(found) == expected.overage
    assert burned(found) == expected.burned


@settings(max_examples=15)
@given(accounts())
def test_what_is_used_is_paid_or_open_and_balances_are_never_negative(account):
    grants, uses, marks = account
    found = drawn(grants, uses, marks)
    paid = dict(found.burned.group_by("use_id").agg(pl.col("quantity").sum()).iter_rows())
    for one in (one for one in uses if one.at < END):
        assert paid.get(one.use_id, D(0)) + left_open(found)[one.use_id] == one.quantity
    assert all(balance >= 0 for balance in balances(found).values())


@settings(max_examples=15)
@given(accounts())
def test_without_refills_no_grant_pays_more_than_it_holds(account):
    grants, uses, _ = account
    found = drawn(grants, uses)
    sums = dict(found.burned.group_by("grant_id").agg(pl.col("quantity").sum()).iter_rows())
    for one in grants:
        assert sums.get(one.grant_id, D(0)) <= one.amount
        for row in found.burned.filter(pl.col("grant_id") == one.grant_id).to_dicts():
            assert one.effective_at <= row["at"] < one.ends_at


@settings(max_examples=15)
@given(accounts(), st.randoms())
def test_the_order_of_the_rows_changes_nothing(account, random):
    grants, uses, marks = account
    found = drawn(grants, uses, marks)
    mixed = [frame(grants), uses_of(uses), marks_of(marks)]
    mixed = [one.sample(fraction=1, shuffle=True, seed=random.randint(0, 99)) for one in mixed]
    again = drawdown.draw(mixed[0], mixed[1], END, mixed[2])
    assert balances(again) == balances(found)
    assert burned(again) == burned(found)


@settings(max_examples=15)
@given(accounts(), accounts())
def test_accounts_do_not_touch_each_other(first, second):
    both = drawdown.draw(
        pl.concat([frame(first[0]), frame([g._replace(customer_id="d") for g in second[0]])]),
        pl.concat([uses_of(first[1]), uses_of(second[1], "d")]),
        END,
        pl.concat([marks_of(first[2]), marks_of(second[2], "d")]),
    )
    alone = [drawn(*first), drawn(*second)]
    for customer, one in zip("cd", alone, strict=True):
        mine = both.balances.filter(pl.col("customer_id") == customer)
        assert dict(mine.select("grant_id", "balance").iter_rows()) == balances(one)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"priority": 1}, {"priority": 2, "expires_at": hours(5)}),
        ({"expires_at": hours(20)}, {"expires_at": None}),
        ({"cost_basis": None}, {"cost_basis": D("0.01"), "items": ("a",)}),
        ({"items": ("a",)}, {"items": ("a", "b")}),
        ({"items": ("a", "b")}, {"items": (), "granted_at": hours(-1)}),
        ({"granted_at": hours(-2)}, {"granted_at": hours(-1)}),
    ],
)
def test_the_order_of_use(first, second):
    # Named so that the id alone would say the opposite.
    one, other = grant("z", 10, **first), grant("a", 10, **second)
    assert one.rank < other.rank
    assert in_order(frame([other, one]))["grant_id"].to_list() == ["z", "a"]
    found = drawn([other, one], [use("u", 1, 4, "a")], as_of=hours(2))
    assert balances(found) == {"a": D(10), "z": D(6)}


def test_a_grant_pays_from_its_beginning_to_its_end():
    held = [grant("g", 100, 2, expires_at=hours(9), voided_at=hours(6))]
    uses = [use("early", 1, 1), use("first", 2, 2), use("last", 5, 4), use("void", 6, 8)]
    found = drawn(held, uses, as_of=hours(6))
    assert left_open(found) == {"early": D(1), "first": D(0), "last": D(0)}
    assert balances(found) == {"g": D(0)}
    assert left_open(drawn(held, uses))["void"] == D(8)


def test_a_reset_keeps_what_may_roll_over_and_closes_what_was_not_paid():
    held = [
        grant("most", 100, rollover_max=D(30)),
        grant("least", 10, priority=1, rollover_min=D(4), rollover_max=D(50)),
        grant("none", 5, priority=2),
    ]
    found = drawn(held, [use("u", 1, 15)], [Mark(hours(10))])
    assert balances(found) == {"most": D(30), "least": D(4), "none": D(0)}
    closed = drawn(held[2:], [use("u", 1, 8)], [Mark(hours(10))]).uses
    assert closed.select("overage", "is_settled").row(0) == (D(3), True)


@pytest.mark.parametrize(("preserve", "left", "unpaid"), [(True, 80, 0), (False, 100, 20)])
def test_overage_burns_the_next_refill_only_where_the_grant_says_so(preserve, left, unpaid):
    held = [grant("g", 100, preserve_overage=preserve)]
    found = drawn(held, [use("u", 1, 120)], [Mark(hours(24), "g")])
    assert balances(found) == {"g": D(left)}
    assert left_open(found) == {"u": D(unpaid)}


def test_units_and_customers_are_accounts_of_their_own():
    held = frame([grant("g", 10), grant("g", 10)._replace(unit="USD")])
    found = drawdown.draw(held, uses_of([use("u", 1, 4)]), END)
    left = found.balances.select("unit", "balance").iter_rows()
    assert dict(left) == {"EUR": D(6), "USD": D(10)}
