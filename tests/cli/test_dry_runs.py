"""A dry run shows what would happen and changes nothing; what is final asks first."""

import pytest
from click.testing import CliRunner

from meterhouse.cli.main import cli
from meterhouse.lake import Lake
from meterhouse.settings import Settings
from tests.cli.conftest import CSV
from tests.gates.facts import counts_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]
EVENT = '{{"id":"e1","type":"llm_request","subject":"contoso","time":"2023-12-05T00:00:00Z",'
EVENT += '"data":{{"context_tokens":{0},"generated_tokens":1}}}}\n'


def facts(home):
    return counts_of(Lake(Settings.load(home.folder)))


def answered(home, answer, *words):
    """The command with somebody at the keyboard who says `answer`."""
    runner = CliRunner()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("meterhouse.cli.app.is_interactive", lambda: True)
        patch.setattr("meterhouse.cli.book.is_interactive", lambda: True)
        return runner.invoke(cli, ["--home", str(home.folder), *words], input=f"{answer}\n")


def test_an_ingest_says_which_files_are_new_and_loads_none(begun):
    assert begun.call("apply", "--yes").exit_code == 0
    new, known = begun.folder / "new.csv", begun.folder / "known.csv"
    new.write_text(CSV)
    known.write_text(CSV.splitlines()[0] + "\n2023-11-16 18:15:46.1,3,4\n")
    assert begun.call("ingest", known, "--source", "azure").exit_code == 0
    before, landed = facts(begun), sorted((begun.folder / "landing").rglob("*"))
    found = begun.json("ingest", new, known, "--source", "azure", "--dry-run")
    assert [(one["name"], one["status"], one["batch_seq"]) for one in found["files"]] == [
        *(("new.csv", "new", None), ("known.csv", "known", 2), ("known.csv", "known", 2))
    ]
    assert found["totals"] == {"files": 1, "bytes": len(CSV)}
    assert (facts(begun), sorted((begun.folder / "landing").rglob("*"))) == (before, landed)
    told = begun.call("ingest", "--dry-run").stdout
    assert "Dry run, nothing was loaded: 0 new files" in told


def test_apply_asks_with_the_count_and_no_means_nothing(begun):
    refused = answered(begun, "n", "apply")
    assert (refused.exit_code, "7 documents would be recorded" in refused.stderr) == (1, True)
    assert facts(begun)["book_versions"] == 0
    assert answered(begun, "y", "apply").exit_code == 0
    assert facts(begun)["book_versions"] == 7


# From here on one home; the order of the file is the order of the story.


def test_a_retry_says_how_many_it_would_release(billed):
    before = facts(billed)
    found = billed.json("quarantine", "retry", "--dry-run")
    assert (found["open"], found["releasable"]) == (1, 0)
    assert facts(billed) == before


def test_a_refusal_shows_the_events_asks_and_is_not_made_without_an_answer(billed):
    before = facts(billed)
    found = billed.json("quarantine", "refuse", "2-1", "--reason", "x", "--dry-run")
    assert [one["reference"] for one in found["events"]] == ["2-1"]
    nobody = billed.call("quarantine", "refuse", "2-1", "--reason", "x")
    assert (nobody.exit_code, "1 event would be refused for good" in nobody.stderr) == (2, True)
    no = answered(billed, "n", "quarantine", "refuse", "2-1", "--reason", "x")
    assert (no.exit_code, "the answer was no" in no.stderr) == (1, True)
    assert facts(billed) == before


def test_a_conflict_can_be_looked_at_before_it_is_decided(billed):
    for name, tokens in (("a.ndjson", 1), ("b.ndjson", 2)):
        (billed.folder / name).write_text(EVENT.format(tokens))
        billed.json("ingest", billed.folder / name, "--source", "api")
    (found,) = billed.json("conflicts", "list")["conflicts"]
    before = facts(billed)
    for word in ("keep", "take"):
        shown = billed.json("conflicts", word, found["reference"], "--reason", "x", "--dry-run")
        assert [one["reference"] for one in shown["conflicts"]] == [found["reference"]]
    wrong = billed.call("conflicts", "keep", "9-9", "--reason", "x", "--dry-run")
    assert (wrong.exit_code, "9-9 names no open conflict" in wrong.stderr) == (2, True)
    assert facts(billed) == before


def test_an_approval_and_an_issue_are_shown_with_their_sums_and_asked_for(billed):
    (waiting,) = billed.json("invoices", "list", "--state", "waiting")["invoices"]
    shown = billed.json("invoices", "approve", "--all", "--dry-run")["drafts"]
    assert [(one["id"], one["net"]) for one in shown] == [(waiting["id"], "1234.50")]
    assert billed.call("invoices", "approve", waiting["id"][:8]).exit_code == 0
    before = facts(billed)
    told = billed.call("invoices", "issue", "--dry-run").stdout
    assert "Dry run, nothing was issued: 1 draft of net 1,234.50 EUR would be." in told
    nobody = billed.call("invoices", "issue")
    assert (nobody.exit_code, "would be issued for good" in nobody.stderr) == (2, True)
    assert answered(billed, "n", "invoices", "issue").exit_code == 1
    assert facts(billed) == before


@pytest.mark.soak
def test_a_close_shows_what_it_would_post_and_asks(billed):
    before = facts(billed)
    found = billed.json("close", "--until", "2023-12-16", "--entity", "acme-ai", "--dry-run")
    assert (found["is_dry"], found["batch_seq"], found["entities"]) == (True, None, ["acme-ai"])
    nobody = billed.call("close", "--until", "2023-12-16", "--entity", "acme-ai")
    assert (nobody.exit_code, "would be closed before 2023-12-16" in nobody.stderr) == (2, True)
    assert facts(billed) == before
