"""Runs compare only contracts of which something moved, and a close proves that this is enough."""

import pytest

from meterhouse.errors import ChecksFailed
from meterhouse.run.close import close
from meterhouse.warehouse import Warehouse
from tests.truth.events import request, usage
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]


def looked_at(home):
    """The contracts whose difference the last run looked for."""
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        return {
            contract
            for (contract,) in db.execute(
                "select contract_id from book.contracts "
                "where hash(contract_id) in (select contract_no from ops.looked_at)"
            ).fetchall()
        }


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = Home.make(tmp_path_factory.mktemp("moved") / "home")
    made.land(list(usage()))
    made.issue(MONTHS[1])
    return made


def test_a_run_compares_what_was_issued_and_what_moved_and_a_close_that_nothing_else_differs(
    home, tmp_path
):
    mine = home.copy(tmp_path / "home")
    every = {one for kind, one, _ in mine.book if kind == "contract"}
    assert looked_at(mine) == every
    # What the first run issued is compared by the second, and by the third no more.
    mine.issue(MONTHS[1])
    mine.issue(MONTHS[1])
    quiet = looked_at(mine)
    assert quiet < every
    with Warehouse(mine.lake).connect(mine.lake.head()) as db:
        contract, subject, day = db.execute(
            "select windows.contract_id, events.subject, events.occurred_at "
            "from billing.charge_windows as windows join facts.usage_events as events "
            "on events.customer_id = windows.customer_id and events.event_type = 'request' "
            "and events.occurred_at >= windows.window_start "
            "and events.occurred_at < windows.window_end "
            "where windows.due_on <= ? and list_contains(?, windows.contract_id) order by all",
            [MONTHS[1], sorted(every - quiet)],
        ).fetchone()
    mine.land([request("late-1", subject, day.isoformat(), 1000)])
    mine.issue(MONTHS[1])
    assert looked_at(mine) == quiet | {contract}
    with Warehouse(mine.lake).connect(mine.lake.head()) as db:
        # A line of a contract that nobody looks at any more.
        other = sorted(every - quiet - {contract})[0]
        db.execute(
            "update billing.desired_lines set amount = amount + 1 where contract_id = ?", [other]
        )
    with pytest.raises(ChecksFailed, match=f"Contract {other}, item .* no run looked"):
        close(mine.lake, MONTHS[1])
