"""Who approves and issues, what rules take, what waits: one home, billed month by month."""

import json
from datetime import date

import pytest

from meterhouse.cli.drafts import find
from meterhouse.cli.reading import derived
from meterhouse.errors import Rejected, UsageError
from meterhouse.run.approving import approve, approve_shown
from meterhouse.run.discarding import discard, reopen
from meterhouse.run.document_history import approved_difference, history
from meterhouse.run.issuing import issue
from meterhouse.run.rebuild import rebuild
from tests.truth.events import request, usage
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
TWIN = "twin-tokens"


@pytest.fixture
def ann(monkeypatch):
    """Commands are given by whoever was set last; ann to begin with."""
    monkeypatch.setenv("METERHOUSE_ACTOR", "ann")
    return lambda name: monkeypatch.setenv("METERHOUSE_ACTOR", name)


def ids(done):
    return {one["contract_id"]: one["draft_id"] for one in done.drafts}


def steps(home, name):
    with derived(home.lake) as db:
        return [(one["step"], one["who"], one["why"]) for one in history(db, find(db, name))]


def difference(home, name):
    with derived(home.lake) as db:
        return approved_difference(db, find(db, name))


def test_a_draft_goes_from_hand_to_hand_and_every_step_is_on_record(home, ann):
    rules = {"approval": "manual", "approvals": 2, "approvers": ["ann", "bob", "eve"]}
    home.record(home.changed("entity", "us", **rules, issuers=["bob"], grace_days=2))
    home.load([request("a", "twin", "2025-09-12T12:00:00Z", 100_000)])
    done = home.issue(MONTHS[0])
    twin = ids(done)[TWIN]
    assert done.held[TWIN] == "It waits for the approval of 2 people."
    assert "gurung-main" in done.billed

    # Discarded by one, reopened by another; an approval from before counts no more.
    assert approve(home.lake, [twin], "fine") == [twin]
    with pytest.raises(Rejected, match="ann approved it already; another person has to"):
        approve(home.lake, [twin])
    discard(home.lake, [twin], "not yet")
    with pytest.raises(Rejected, match=r"ann discarded it: not yet[\s\S]*Nothing was approved"):
        approve(home.lake, [twin])
    assert "ann discarded it: not yet" in dict(issue(home.lake).held)[twin]
    with pytest.raises(Rejected, match="it is discarded already"):
        discard(home.lake, [twin], "again")
    ann("mallory")
    with pytest.raises(Rejected, match="mallory may not approve drafts of entity us; ann or bob"):
        approve_shown(home.lake, {twin: "whatever"})
    ann("bob")
    reopen(home.lake, [twin], "now")
    with pytest.raises(Rejected, match="it is not discarded"):
        reopen(home.lake, [twin], "now")
    assert approve(home.lake, [twin]) == [twin]

    # What changes after approval has to be approved anew; the difference is told.
    home.load([request("b", "twin", "2025-09-12T12:00:00Z", 100_000)])
    again = home.issue(MONTHS[0])
    assert again.held[TWIN] == "It has changed since it was approved; approve it again."
    found = difference(home, twin)
    (line,) = found.lines
    assert {one.path for one in line.fields} >= {"amount", "quantity"}
    assert {one.path for one in found.fields} >= {"net", "total"}
    assert steps(home, twin)[-1][0] == "changed"
    hashes = {one["draft_id"]: one["content_hash"] for one in again.drafts}
    with pytest.raises(Rejected, match="It changed while it was looked at"):
        approve_shown(home.lake, {twin: "shown before"})
    assert approve_shown(home.lake, {twin: hashes[twin]}, "all") == ([twin], {})
    ann("eve")
    left = approve_shown(home.lake, {twin: hashes[twin], "gone": "x"})[1]
    assert left == {"gone": "It is gone; a run made the drafts again."}
    assert difference(home, twin) == ((), ())

    # It is approved, eve may not issue it, and for those who may its grace is not over.
    assert "It may still change until 2025-10-03" in home.issue(MONTHS[0]).held[TWIN]
    assert dict(issue(home.lake, [twin]).held) == {
        twin: "eve may not issue documents of entity us; bob may."
    }
    ann("bob")
    assert home.issue(date(2025, 10, 2)).issued.numbers == ()
    late = home.issue(date(2025, 10, 3))
    assert TWIN in late.billed
    number = home.rows("select number from facts.documents where document_id = ?", [twin])[0][0]
    assert steps(home, number) == [
        ("approved", "ann", "fine"),
        ("discarded", "ann", "not yet"),
        ("reopened", "bob", "now"),
        ("approved", "bob", None),
        ("approved", "bob", "all"),
        ("approved", "eve", None),
        ("drafted", None, None),
        ("issued", "bob", None),
    ]
    assert difference(home, number) == ((), ())
    with pytest.raises(UsageError, match="cannot be compared: nobody approved it"):
        difference(home, home.rows("select number from facts.documents limit 1")[0][0])
    with pytest.raises(UsageError, match="names no draft"):
        discard(home.lake, ["0123456789"], "unknown")
    assert all(one.is_identical for one in rebuild(home.lake, None))


def test_rules_take_what_is_usual_and_say_of_all_else_why_not(home, ann):
    rules = {"max_deviation": "0.5", "max_total": {"USD": "100000"}}
    home.record(home.changed("entity", "us", approval="rules", auto_approve=rules, grace_days=1))
    home.load(usage())
    first = home.issue(MONTHS[0])
    assert "It is the payer's first document of its kind." in first.held["alpha-main"]
    home.issue(MONTHS[0])
    named = [ids(first)["alpha-main"]]
    approve(home.lake, named)
    # Who names a draft does not wait for the end of its grace.
    assert len(issue(home.lake, named).numbers) == 1

    second = home.issue(date(2025, 11, 2))
    assert "alpha-main" in second.billed
    held = second.held[TWIN]
    assert "first document" in held
    assert held.startswith("It waits for approval.")
    ruled = home.rows(
        "select subject_id, actor, payload, content_hash from facts.commands "
        "where kind = 'approve_by_rules'"
    )
    taken = {row[0]: row for row in ruled}
    documents = dict(
        home.rows("select document_id, content_hash from facts.documents where entity_id = 'us'")
    )
    assert taken.keys() == documents.keys() - set(named)
    assert all(row[3] == documents[row[0]] for row in ruled)
    assert json.loads(ruled[0][2])["rules"]["max_deviation"] == "0.5"
    issued = home.rows("select actor, payload from facts.commands where kind = 'issue'")
    assert issued[-1][0] == "ann"
    told = steps(home, ruled[0][0])
    assert [one[:2] for one in told][-2:] == [("approved by rules", "ann"), ("issued", "ann")]
