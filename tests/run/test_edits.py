"""Edits of drafts: applied by every run, billed once, blocked when their line is gone."""

import json
from datetime import date
from decimal import Decimal

import pytest
from click.testing import CliRunner

from meterhouse.catalog.one_offs import read_one_offs
from meterhouse.cli.main import cli
from meterhouse.errors import Rejected, UsageError
from meterhouse.run import edits
from meterhouse.run.approving import approve
from meterhouse.run.editing import Ask, edit, withdraw
from meterhouse.run.explain import explain
from meterhouse.run.issuing import issue
from meterhouse.run.one_offs import record_one_offs
from meterhouse.run.rebuild import rebuild
from meterhouse.warehouse import Warehouse
from tests.run.test_one_off import FILE
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
DECEMBER = MONTHS[2]
GONE = "delete from billing.draft_lines where role = 'adjustment' and item_id = 'tokens'"


@pytest.fixture(scope="module")
def drafted(in_october, tmp_path_factory):
    """Drafts through 1 December of a seller who approves by hand; copied, never changed."""
    home = in_october.copy(tmp_path_factory.mktemp("edits") / "drafted")
    home.record(home.changed("entity", "us", approval="manual"))
    file = home.path / "one-offs.yaml"
    file.write_text(FILE)
    record_one_offs(home.lake, read_one_offs(file)[0])
    home.done = home.issue(DECEMBER)
    return home


@pytest.fixture
def waiting(drafted, tmp_path):
    return drafted.copy(tmp_path / "home")


def of(done, contract):
    (one,) = [one for one in done.drafts if one["contract_id"] == contract]
    return one


def lines_of(home, draft):
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        rows = db.execute(
            "select * from billing.draft_lines where draft_id = ? order by line_no", [draft]
        )
        return rows.pl().to_dicts()


def states(home):
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        return [one["state"] for one in edits.listed(db)]


def number_of(lines, item):
    return str(next(one["line_no"] for one in lines if one["item_id"] == item))


def test_edits_are_billed_once_survive_runs_and_are_made_again_to_the_byte(waiting, drafted):
    draft = of(drafted.done, "alpha-main")
    before = lines_of(waiting, draft["draft_id"])
    seat, tokens = (next(o for o in before if o["item_id"] == i) for i in ("seat", "tokens"))
    asked = [
        Ask("percent", "0.10", str(seat["line_no"])),
        Ask("waive", None, tokens["line_key"][:12], "Tokens on the house"),
        Ask("add", "25.00", None, "Training"),
        Ask("note", "Thank you"),
        Ask("purchase_order", "PO-EDIT"),
        Ask("due_on", "2026-01-15"),
    ]
    dry = edit(waiting.lake, draft["draft_id"][:8], asked, "agreed", dry=True)
    made = edit(waiting.lake, draft["draft_id"][:8], asked, "agreed")
    tenth = (seat["amount"] / 10).quantize(Decimal("0.01"))
    assert dry.net_after == made.net_after == draft["net"] - tenth - tokens["amount"] + 25
    assert (dry.edits, len(made.edits)) == ((), 6)
    # What was made before the edit is not issued any more.
    approve(waiting.lake, [draft["draft_id"]])
    held = dict(issue(waiting.lake, [draft["draft_id"]]).held)
    assert held[draft["draft_id"]].startswith("It was edited after the last run")
    done = waiting.issue(DECEMBER)
    again = of(done, "alpha-main")
    assert (again["draft_id"], again["net"]) == (draft["draft_id"], made.net_after)
    assert again["content_hash"] != draft["content_hash"]
    assert done.failed == set()
    assert states(waiting) == ["applied"] * 6
    once = of(done, "one-off:setup-1")
    assert (once["net"], once["tax"], once["purchase_order"]) == (200, Decimal("17.75"), "PO-99")
    approve(waiting.lake, [draft["draft_id"], once["draft_id"]])
    numbers = issue(waiting.lake).numbers
    assert len(numbers) == 2
    (issued,) = [
        one for one in waiting.documents()
        if one["issue"]["number"] in numbers and "note" in one
    ]  # fmt: skip
    assert (issued["note"], issued["purchase_order"], issued["dates"]["due_date"]) == (
        "Thank you", "PO-EDIT", "2026-01-15",
    )  # fmt: skip
    by_text = {line["description"]: line for line in issued["lines"]}
    assert by_text["Adjustment: Seats"]["price"]["of_line"] == seat["line_key"]
    assert Decimal(by_text["Adjustment: Seats"]["amount"]) == -tenth
    assert Decimal(by_text["Tokens on the house"]["amount"]) == -tokens["amount"]
    assert by_text["Training"]["amount"] == "25.00"
    assert states(waiting) == ["issued"] * 6
    told = explain(waiting.lake, issued["issue"]["number"])["lines"]
    assert {
        line["description"]: line["edits"][0]["reason"] for line in told if "edits" in line
    } == {
        "Seats": "agreed",
        "Adjustment: Seats": "agreed",
        "Tokens": "agreed",
        "Tokens on the house": "agreed",
        "Training": "agreed",
    }
    again = rebuild(waiting.lake, numbers, "determinants")
    assert [one.is_identical for one in again] == [True, True]


@pytest.mark.soak
def test_edits_are_made_again_from_events_and_no_later_run_takes_them_back(waiting, drafted):
    draft = of(drafted.done, "alpha-main")
    tokens = number_of(lines_of(waiting, draft["draft_id"]), "tokens")
    edit(waiting.lake, draft["draft_id"], [Ask("waive", None, tokens)], "agreed")
    spoilt = waiting.issue(DECEMBER, spoil=GONE)
    assert ("by_hand_is_billed_as_asked", "contract", "alpha-main") in spoilt.failed
    done = waiting.issue(DECEMBER)
    assert done.failed == set()
    approve(waiting.lake, [draft["draft_id"]])
    waiting.issue(DECEMBER)
    later = waiting.issue(MONTHS[3])
    assert later.failed == set()
    sums = waiting.rows("select count(*), sum(amount) from facts.billed_lines "
                        "where role = 'adjustment'")  # fmt: skip
    assert sums == [(1, of(done, "alpha-main")["net"] - draft["net"])]
    assert [one.path for one in rebuild(waiting.lake, None) if not one.is_identical] == []


@pytest.mark.soak
def test_an_edit_whose_line_is_gone_blocks_its_draft_until_it_is_withdrawn(waiting, drafted):
    draft = of(drafted.done, "alpha-main")
    lines = lines_of(waiting, draft["draft_id"])
    desk = number_of(lines, "desk")
    made = edit(waiting.lake, draft["draft_id"], [Ask("amount", "1.00", desk)], "agreed")
    contract = waiting.changed("contract", "alpha-main")
    kept = [one for one in contract["items"] if one["id"] != "desk"]
    waiting.record({**contract, "items": kept})
    done = waiting.issue(DECEMBER)
    blocked = of(done, "alpha-main")
    assert blocked["is_blocked"]
    assert f"Edit {made.edits[0][:8]} is orphaned" in blocked["blocked_reason"]
    assert states(waiting) == ["orphaned"]
    tokens = number_of(lines_of(waiting, blocked["draft_id"]), "tokens")
    moved = edit(
        waiting.lake, blocked["draft_id"], [Ask("", line=tokens)], "moved", replaces=made.edits[0]
    )
    assert states(waiting) == ["withdrawn", "new"]
    free = of(waiting.issue(DECEMBER), "alpha-main")
    assert not free["is_blocked"]
    assert withdraw(waiting.lake, moved.edits[0][:8], "after all") == moved.edits[0]
    assert states(waiting) == ["withdrawn", "withdrawn"]
    with pytest.raises(Rejected, match="is withdrawn already"):
        withdraw(waiting.lake, moved.edits[0][:8], "again")


FAULTS = {
    Ask("amount", "1.001", "1"): "Line 1: 1.001 has more decimals than USD",
    Ask("amount", "x", "1"): "Line 1: 'x' is not an amount",
    Ask("quantity", "-1", "1"): "Line 1: a quantity is a number that is not below 0",
    Ask("percent", "1.5", "1"): "Line 1: a discount in per cent",
    Ask("waive", None, "99"): "The draft has no line 99",
    Ask("due_on", "2020-01-01"): "The due date 2020-01-01 is before the invoice's",
    Ask("add", "5.00"): "A line that is added needs --description",
}


def test_every_fault_of_an_edit_is_told_at_once_and_nothing_is_recorded(drafted):
    draft = of(drafted.done, "alpha-main")
    before = drafted.rows("select count(*) from facts.commands")
    with pytest.raises(Rejected) as told:
        edit(drafted.lake, draft["draft_id"], list(FAULTS), "x")
    *faults, last = str(told.value).splitlines()
    assert last == "Nothing was changed."
    assert [fault[: len(why)] for fault, why in zip(faults, FAULTS.values(), strict=True)] == list(
        FAULTS.values()
    )
    with pytest.raises(Rejected, match="would come to less than zero"):
        edit(drafted.lake, draft["draft_id"], [Ask("discount", "100000.00", "1")], "x")
    with pytest.raises(UsageError, match="names no edits"):
        withdraw(drafted.lake, "0123456789", "x")
    assert drafted.rows("select count(*) from facts.commands") == before


def test_a_quantity_changes_the_amount_in_proportion(drafted):
    draft = of(drafted.done, "alpha-main")
    seat = next(o for o in lines_of(drafted, draft["draft_id"]) if o["item_id"] == "seat")
    asked = Ask("quantity", "1", str(seat["line_no"]))
    done = edit(drafted.lake, draft["draft_id"], [asked], "x", dry=True)
    third = (seat["amount"] / 3).quantize(Decimal("0.01"))
    assert done.net_after == draft["net"] - seat["amount"] + third
    assert date(2025, 12, 1) == draft["boundary_on"]


def test_the_command_line_edits_lists_and_shows_who_changed_what(waiting, drafted):
    def call(*arguments):
        done = CliRunner().invoke(cli, ["--home", str(waiting.path), "invoices", *arguments])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    draft = of(drafted.done, "alpha-main")["draft_id"]
    why = ("--reason", "agreed")
    dry = json.loads(call("edit", draft[:8], "--line", "1", "--discount", "10%", *why, "--dry-run",
                          "--json"))  # fmt: skip
    assert (dry["is_dry"], dry["edits"]) == (True, [])
    made = json.loads(call("edit", draft[:8], "--po", "PO-1", "--note", "Hello", *why, "--json"))
    listed = json.loads(call("edits", draft[:8], "--json"))["edits"]
    assert [(one["op"], one["value"], one["state"]) for one in listed] == [
        ("note", "Hello", "new"), ("purchase_order", "PO-1", "new"),
    ]  # fmt: skip
    assert "agreed" in call("show", draft[:8])
    assert call("edit", "--withdraw", made["edits"][0][:8], *why).startswith("Edit")
    both = ["--home", str(waiting.path), "invoices", "edit", draft, "--amount", "1", *why]
    refused = CliRunner().invoke(cli, both)
    assert (refused.exit_code, "Say which --line" in refused.stderr) == (2, True)
