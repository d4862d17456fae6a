"""Runs compare only contracts of which something moved, and a close proves that this is enough."""

import pytest

from meterhouse.errors import ChecksFailed
from meterhouse.run.close import close
from meterhouse.run.marts import build_marts
from meterhouse.run.publishing import PIN
from meterhouse.run.steps import resume
from meterhouse.run.voiding import void
from meterhouse.warehouse import Warehouse
from tests.truth.events import request, usage
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]

# Marts that a run adds to.
GROWING = ("accounting.journal", "reporting.invoice_lines", "reporting.invoices")


def derived(home, sql):
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        return db.execute(sql).fetchall()


def looked_at(home):
    """The contracts whose difference the last run looked for."""
    found = derived(
        home,
        "select contract_id from book.contracts "
        "where hash(contract_id) in (select contract_no from ops.looked_at)",
    )
    return {contract for (contract,) in found}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = Home.make(tmp_path_factory.mktemp("moved") / "home")
    made.land(list(usage()))
    made.issue(MONTHS[1])
    return made


def test_a_run_compares_only_what_moved_and_a_close_proves_that_nothing_else_differs(
    home, tmp_path
):
    mine = home.copy(tmp_path / "home")
    every = {one for kind, one, _ in mine.book if kind == "contract"}
    assert looked_at(mine) == every
    # What the first run issued is all that was missing: the second does not compare it.
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


def test_drafts_that_wait_are_made_again_and_a_voided_document_is_looked_at(home, tmp_path):
    mine = home.copy(tmp_path / "home")
    mine.draft(MONTHS[2])
    drafts = "select draft_id, content_hash from billing.drafts order by all"
    waiting = derived(mine, drafts)
    lines = derived(mine, "select contract_id, draft_id from billing.draft_lines")
    contracts = {contract for contract, _ in lines}
    mine.draft(MONTHS[2])
    assert len(waiting) > 1
    assert (derived(mine, drafts), contracts - looked_at(mine)) == (waiting, set())
    mine.issue(MONTHS[2])
    number, contract = mine.rows(
        "select number, contract_id from facts.billed_lines where document_id = ? limit 1",
        [waiting[0][0]],
    )[0]
    quiet = mine.issue(MONTHS[2]) and looked_at(mine)
    build_marts(resume(mine.lake))
    void(mine.lake, [number], "wrong address")
    mine.draft(MONTHS[2])
    assert looked_at(mine) == quiet | {contract}
    assert contract not in quiet
    # Marts take what is new, and are then what they would be if they were made of everything.
    mine.issue(MONTHS[2])
    build_marts(resume(mine.lake))
    grown = {name: derived(mine, f"from {name} order by all") for name in GROWING}
    assert derived(mine, "select number from reporting.invoices where voided_on is not null") == [
        (number,)
    ]
    with Warehouse(mine.lake).connect(mine.lake.head()) as db:
        for name in GROWING:
            db.execute(f"drop table {name}")
        db.execute("delete from ops.pins where table_name = ?", [PIN])
    build_marts(resume(mine.lake))
    assert {name: derived(mine, f"from {name} order by all") for name in GROWING} == grown
