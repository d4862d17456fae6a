"""Whatever comes in whatever order: issued and written off is what everything known costs."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.run.test_net_corrections import MONTHS, home_with
from tests.truth.conftest import SOAK_EXAMPLES
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS
from tests.truth.test_laws import law

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
REGIONS = ("eu", "us")
STOOD = """
select month(window_start_on), dimensions->>'$.region', sum(amount) from (
    select window_start_on, dimensions, amount from facts.standing_lines
    union all select window_start_on, dimensions, amount from facts.standing_write_offs
) group by all having sum(amount) <> 0 order by all
"""
# An event by its number: month, region and tokens; the same number again is its newer version.
USE = st.tuples(
    *(st.just("use"), st.integers(0, 5), st.integers(1, 3)),
    *(st.sampled_from(REGIONS), st.integers(0, 60)),
)
PRICE = st.tuples(st.just("price"), st.sampled_from(["0.10", "0.11", "0.07"]))
RUN = st.tuples(st.just("run"), st.integers(0, 2))
STEPS = st.lists(st.one_of(USE, USE, USE, PRICE, RUN), min_size=4, max_size=9)
KNOWN = [
    [
        *(("use", 0, 1, "eu", 50), ("run", 0), ("use", 1, 1, "eu", 7), ("run", 0)),
        *(("price", "0.11"), ("use", 0, 2, "us", 30), ("run", 1), ("price", "0.07")),
    ],
    [
        *(("use", 0, 2, "us", 60), ("run", 1), ("use", 0, 2, "us", 3), ("use", 2, 1, "us", 9)),
        *(("run", 1), ("price", "0.11"), ("use", 3, 3, "eu", 1)),
    ],
]


def check(path, steps):
    """Apply the steps, run to the end, compare with what events and price say at last; the drafts
    that a run finds then."""
    limits = {"write_off_below": {"EUR": "0.60"}, "write_off_limit": {"EUR": "2.00"}}
    home = home_with(path, decreases="credit_note", **limits)
    contract = next(one for (kind, *_), one in home.book.items() if kind == "contract")
    known, price, reached = {}, "0.10", 0
    for what, *given_ in steps:
        if what == "use":
            number, month, region, tokens = given_
            day = f"2026-{month:02}-10T12:00:00Z"
            known[number] = (month, region, tokens)
            home.land(
                [request(f"e{number}", "acme", day, tokens, source="restated", region=region)]
            )
        elif what == "price":
            (price,) = given_
            items = [
                {**one, "price": {**one["price"], "unit_amount": price}}
                for one in contract["items"]
            ]
            home.record({**contract, "items": items})
        else:
            reached = max(reached, given_[0])
            assert home.issue(MONTHS[reached]).failed == set()
    last = home.issue(MONTHS[-1])
    assert (last.failed, last.held) == (set(), {})
    sums = {}
    for month, region, tokens in known.values():
        sums[month, region] = sums.get((month, region), 0) + tokens
    costs = {
        key: (Decimal(price) * tokens).quantize(Decimal("0.01")) for key, tokens in sums.items()
    }
    assert home.rows(STOOD) == sorted((*key, cost) for key, cost in costs.items() if cost)
    # Whatever was written off was in the customer's favour.
    assert (
        home.rows(
            "select 1 from facts.standing_write_offs group by draft_id having sum(amount) <= 0"
        )
        == []
    )
    return home.issue(MONTHS[-1]).drafts


@pytest.mark.parametrize("steps", [KNOWN[0], pytest.param(KNOWN[1], marks=pytest.mark.soak)])
def test_late_usage_restated_events_and_other_prices_come_to_what_all_of_it_costs(tmp_path, steps):
    assert check(tmp_path / "home", steps) == []


@pytest.mark.soak
@given(steps=STEPS)
@law(SOAK_EXAMPLES, is_soak=True)
def test_any_steps_in_any_order_come_to_what_all_of_it_costs(tmp_path_factory, steps):
    assert check(tmp_path_factory.mktemp("law") / "home", steps) == []
