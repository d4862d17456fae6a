"""Small corrections are written off: only for the customer, up to a limit, and never billed."""

from decimal import Decimal

import pytest

from meterhouse.run.close import close
from meterhouse.run.rebuild import rebuild
from meterhouse.run.voiding import void
from tests.run.test_net_corrections import MONTHS, home_with, use
from tests.truth.harness import GREAT_EXPECTATIONS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
WRITTEN = """
select dimensions->>'$.region', amount, original_number from facts.standing_write_offs order by 1, 2
"""


def total(home):
    """What was issued and written off in all."""
    (row,) = home.rows(
        "select sum(amount) from (select amount from facts.standing_lines "
        "union all select amount from facts.standing_write_offs)"
    )
    return row[0]


def test_a_small_increase_is_written_off_once_and_counts_as_billed(tmp_path):
    limits = {"write_off_below": {"EUR": "1.00"}, "write_off_limit": {"EUR": "1.00"}}
    home = home_with(tmp_path / "home", **limits)
    home.land([use(1, "eu", 100), use(1, "us", 200)])
    (first,) = home.issue(MONTHS[0]).issued.numbers
    home.land([use(1, "eu", 7)])
    done = home.issue(MONTHS[0])
    assert (done.failed, done.held, done.issued.numbers) == (set(), {}, ())
    assert home.rows(WRITTEN) == [("eu", Decimal("0.70"), first)]
    assert home.issue(MONTHS[0]).drafts == []
    assert total(home) == Decimal("30.70")
    # A second one would be more than the limit of the year, and a decrease is never written off.
    home.land([use(1, "us", 5)])
    done = home.issue(MONTHS[0])
    assert [one["net"] for one in done.drafts] == [Decimal("0.50")]
    home.land([use(1, "eu", -10)])
    done = home.issue(MONTHS[0])
    assert (done.failed, [one["net"] for one in done.drafts]) == (set(), [Decimal("-1.00")])
    assert total(home) == Decimal("30.20")
    # Nothing of it waits to be billed.
    closed = close(home.lake, MONTHS[1])
    assert [one for one in closed["posted"] if one["event"] == "usage.accrued"] == []
    assert [one for one in rebuild(home.lake, None) if not one.is_identical] == []


@pytest.mark.soak
def test_a_void_lifts_what_was_written_off_of_its_invoice(tmp_path):
    home = home_with(tmp_path / "home", write_off_below={"EUR": "1.00"})
    home.land([use(1, "eu", 100)])
    (first,) = home.issue(MONTHS[0]).issued.numbers
    home.land([use(1, "eu", 7)])
    home.issue(MONTHS[0])
    assert home.rows(WRITTEN) == [("eu", Decimal("0.70"), first)]
    void(home.lake, [first], "wrong buyer", MONTHS[0])
    assert home.rows(WRITTEN) == []
    done = home.issue(MONTHS[0])
    assert (done.failed, [one["net"] for one in done.drafts]) == (set(), [Decimal("10.70")])
    assert home.issue(MONTHS[0]).drafts == []
    assert [one for one in rebuild(home.lake, None) if not one.is_identical] == []
