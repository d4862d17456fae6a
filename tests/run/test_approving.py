"""Who approves and issues, what rules take, what waits: one home, from drafts to documents."""

import json
from datetime import date
from decimal import Decimal

import duckdb
import polars as pl
import pytest

from meterhouse.cli.drafts import find
from meterhouse.cli.reading import derived
from meterhouse.errors import Rejected, UsageError
from meterhouse.run.approving import approve, approve_shown
from meterhouse.run.crediting import Request, credit
from meterhouse.run.discarding import discard, reopen
from meterhouse.run.document_history import approved_difference, history
from meterhouse.run.editing import Ask, edit, withdraw
from meterhouse.run.issuing import issue
from meterhouse.run.policies import in_grace
from meterhouse.run.voiding import void
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

TWIN = "twin-tokens"
FOUR_EYES = {"approval": "manual", "approvals": 2, "approvers": ["ann", "bob", "eve"]}


@pytest.fixture
def ann(monkeypatch):
    """Commands are given by whoever was set last; ann to begin with."""
    monkeypatch.setenv("METERHOUSE_ACTOR", "ann")
    return lambda name: monkeypatch.setenv("METERHOUSE_ACTOR", name)


def steps(home, name):
    with derived(home.lake) as db:
        return [(one["step"], one["who"], one["why"]) for one in history(db, find(db, name))]


def difference(home, name):
    with derived(home.lake) as db:
        return approved_difference(db, find(db, name))


@pytest.mark.slow
@GREAT_EXPECTATIONS
def test_a_draft_goes_from_hand_to_hand_and_every_step_is_on_record(october, ann):
    home = october
    home.record(
        home.changed("entity", "us", **FOUR_EYES, issuers=["bob"], grace_days=2),
        home.changed("entity", "kw", approval="rules", auto_approve={"max_deviation": "1000"}),
        home.changed("entity", "jp", approval="rules", auto_approve={"max_deviation": "0"}),
    )
    done = home.issue(MONTHS[2])
    twin = next(one["draft_id"] for one in done.drafts if one["contract_id"] == TWIN)
    assert done.held[TWIN] == "It waits for the approval of 2 people."
    judged(home, done)
    decided(home, ann, twin)
    changed(home, ann, twin)
    number = issued(home, ann, twin)
    assert steps(home, number) == [
        ("approved", "ann", "fine"),
        ("discarded", "ann", "not yet"),
        ("reopened", "bob", "now"),
        ("edited", "bob", "agreed"),
        ("edit withdrawn", "bob", "not agreed"),
        ("approved", "bob", None),
        ("drafted", None, None),
        ("approved", "bob", "all"),
        ("approved", "eve", None),
        ("issued", "bob", None),
    ]
    assert difference(home, number) == ((), ())
    with pytest.raises(UsageError, match="cannot be compared: nobody approved it"):
        difference(home, home.rows("select number from facts.documents limit 1")[0][0])
    with pytest.raises(UsageError, match="names no draft"):
        discard(home.lake, ["0123456789"], "unknown")


def judged(home, done):
    """Rules took what is near enough to the mean, and the record says which rules they were."""
    assert "is more than 0 off the mean of the last" in done.held["sato-main"]
    assert "gurung-main" in done.billed
    ruled = home.rows(
        "select subject_id, actor, payload, content_hash from facts.commands "
        "where kind = 'approve_by_rules'"
    )
    last = "select max(through) from facts.documents"
    taken = home.rows(
        "select document_id, content_hash from facts.documents "
        f"where entity_id = 'kw' and through = ({last})"
    )
    assert sorted((row[0], row[3]) for row in ruled) == sorted(taken)
    assert json.loads(ruled[0][2])["rules"]["max_deviation"] == "1000"
    told = [one[:2] for one in steps(home, ruled[0][0])]
    assert told == [("drafted", None), ("approved by rules", "ann"), ("issued", "ann")]


def decided(home, ann, twin):
    """Discarded by one, reopened by another; an approval from before counts no more."""
    assert approve(home.lake, [twin], "fine") == [twin]
    assert dict(issue(home.lake).held)[twin] == "It waits for 1 more person; ann approved it."
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
    (note,) = edit(home.lake, twin, [Ask("note", text="thanks")], "agreed").edits
    with pytest.raises(Rejected, match="bob changed it by hand; another person has to approve it"):
        approve(home.lake, [twin])
    withdraw(home.lake, note, "not agreed")
    assert approve(home.lake, [twin]) == [twin]


def changed(home, ann, twin):
    """What changes after approval has to be approved anew; the difference is told."""
    home.load([request("b", "twin", "2025-11-12T12:00:00Z", 100_000)])
    again = home.issue(MONTHS[2])
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
    done, left = approve_shown(home.lake, {twin: hashes[twin], "gone": "x"})
    assert (done, left) == ([twin], {"gone": "It is gone; a run made the drafts again."})
    assert difference(home, twin) == ((), ())


def issued(home, ann, twin):
    """Eve may not issue it; for bob its grace is not over, unless he names it."""
    assert dict(issue(home.lake, [twin]).held) == {
        twin: "eve may not issue documents of entity us; bob may."
    }
    numbers = [row[0] for row in home.rows("select number from facts.documents where total > 0 "
                                           "and entity_id = 'us' limit 1")]  # fmt: skip
    with pytest.raises(Rejected, match=r"eve may not issue[\s\S]*Nothing was voided"):
        void(home.lake, numbers, "why not")
    with pytest.raises(Rejected, match=r"eve may not issue[\s\S]*Nothing was credited"):
        credit(home.lake, Request(numbers[0], "why not", {1: Decimal(1)}))
    ann("bob")
    assert "It may still change until 2025-12-03" in dict(issue(home.lake).held)[twin]
    (number,) = issue(home.lake, [twin]).numbers
    return number


@pytest.mark.parametrize(("through", "is_open"), [(date(2025, 12, 2), True), (MONTHS[3], False)])
def test_grace_ends_with_its_last_day_and_is_not_for_corrections(through, is_open):
    first = date(2025, 12, 1)
    drafts = pl.DataFrame(
        {"draft_id": ["a", "b"], "entity_id": ["us", "us"], "boundary_on": [first, first]}
    )
    said = pl.DataFrame({"entity_id": ["us"], "grace_days": [2]})
    with duckdb.connect() as db:
        db.execute("create schema billing")
        db.execute(
            "create table billing.draft_lines as select * from (values "
            "('a', false, date '2025-12-01', date '2025-12-01'), "
            "('b', true, date '2025-11-01', date '2025-12-01')) "
            "as lines(draft_id, is_correction, due_on, boundary_on)"
        )
        found = in_grace(db, drafts, said, through)
        assert in_grace(db, drafts, said.with_columns(grace_days=pl.lit(1)), through) == {}
    assert list(found) == (["a"] if is_open else [])
