"""One home that went the whole way, and what each command says about it."""

import csv
import hashlib
import io
import json

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]
NUMBER = "acme-ai-2023-000001"
EVENT = '{{"id":"e1","type":"llm_request","subject":"contoso","time":"2023-12-05T00:00:00Z",'
EVENT += '"data":{{"context_tokens":{0},"generated_tokens":1}}}}\n'


def test_apply_lists_what_it_recorded(billed):
    assert billed.applied["counts"] == {"new": 12, "changed": 0, "same": 0, "kept": 0}
    assert billed.applied["batch_seq"] == 1
    kinds = {change["kind"] for change in billed.applied["changes"]}
    assert kinds >= {"entity", "customer", "contract", "meter"}


def test_plan_names_the_field_that_changed(billed):
    path = billed.folder / "book" / "contoso.yaml"
    text = path.read_text()
    path.write_text(text.replace('unit_amount: "15"', 'unit_amount: "16"'))
    try:
        done, told = billed.json("plan"), billed.call("plan").stdout
    finally:
        path.write_text(text)
    (changed,) = [one for one in done["changes"] if one["action"] == "changed"]
    assert changed["fields"] == [{"path": "$.items[1].price.unit_amount", "old": "15", "new": "16"}]
    assert "$.items[1].price.unit_amount" in told


def test_ingest_counts_every_record_and_points_to_quarantine(billed):
    assert billed.loaded.exit_code == 0
    row = next(line for line in billed.loaded.stdout.splitlines() if "usage.csv" in line)
    assert row.split()[:7] == ["2", "azure", "usage.csv", "4", "0", "3", "0"]
    assert "meterhouse quarantine list" in billed.loaded.stderr


def test_a_run_issues_what_it_may_and_ends_with_3_for_what_lacks_a_decision(billed):
    assert billed.ran.exit_code == 3
    assert f"Issued 1: {NUMBER}" in billed.ran.stdout
    told = [line.split() for line in billed.ran.stdout.splitlines()]
    assert [words[1:4] for words in told if "Nova" in words] == [["waiting", "Nova", "[bold]AG"]]
    assert [words[1] for words in told if "Undecided" in words] == ["blocked"]
    assert "no tax decision" in billed.ran.stdout
    assert "Folding usage" in billed.ran.stderr
    assert "Folding usage" not in billed.ran.stdout


def test_a_run_on_a_batch_that_is_not_known_is_refused(billed):
    done = billed.call("run", "--through", "2024-01-01", "--known-at", 99)
    assert done.exit_code == 2
    assert "Batch 99 is not known" in done.stderr


def test_drafts_and_documents_stand_in_one_list_with_their_state(billed):
    found = billed.json("invoices", "list")["invoices"]
    assert {(one["customer_id"], one["state"]) for one in found} == {
        ("contoso", "issued"),
        ("nova", "waiting"),
        ("undecided", "blocked"),
    }
    nova = billed.json("invoices", "list", "--customer", "nova")["invoices"]
    assert [(one["net"], one["tax"], one["total"]) for one in nova] == [
        ("1234.50", "234.56", "1469.06")
    ]
    assert nova[0]["invoice_date"] == "2023-12-01"
    assert billed.json("invoices", "list", "--through", "2023-11-30")["invoices"] == []


def test_names_from_data_are_no_markup(billed):
    told = billed.call("invoices", "list", "--state", "waiting").stdout
    assert "Nova [bold]AG" in told
    assert "1,469.06" in told
    assert "\x1b" not in told


def test_an_invoice_is_shown_as_text_and_as_its_canonical_bytes(billed):
    told = billed.call("invoices", "show", NUMBER).stdout
    for part in ("Contoso Ltd", "1,000,770 token", "3 per 1,000,000", "33.00", "2023-12-31"):
        assert part in told
    printed = billed.call("invoices", "show", NUMBER, "--json").stdout
    stored = billed.json("sql", f"select content from facts.documents where number = '{NUMBER}'")
    assert printed == stored["rows"][0][0]


def test_a_draft_is_shown_by_the_beginning_of_its_id(billed):
    (waiting,) = billed.json("invoices", "list", "--state", "waiting")["invoices"]
    assert f"draft {waiting['id'][:8]}" in billed.call("invoices", "show", waiting["id"][:8]).stdout
    assert billed.call("invoices", "show", waiting["id"][:4]).exit_code == 2


def test_every_line_is_explained_down_to_its_events(billed):
    told = billed.call("explain", NUMBER, "--line", 1, "--events", "--limit", 1).stdout
    for part in ("1000770 × 0.000003", "2023-11-16  770 from 2 events", "usage.csv row 1"):
        assert part in told
    assert "Generated tokens" not in told
    found = billed.json("explain", NUMBER)
    assert [line["line_no"] for line in found["lines"]] == [1, 2]


@pytest.mark.parametrize("words", [("explain",), ("rebuild",), ("invoices", "show")])
def test_a_misspelt_number_is_answered_with_the_nearest_one(billed, words):
    done = billed.call(*words, "acme-ai-2023-00001")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"did you mean '{NUMBER}'?" in done.stderr


def test_a_rebuilt_invoice_is_identical(billed):
    done = billed.call("rebuild", NUMBER, "--from", "determinants")
    assert (done.exit_code, done.stdout.startswith(f"{NUMBER}: identical")) == (0, True)


def test_sql_reads_marts_and_facts_in_three_forms(billed):
    query = "select number, total from reporting.invoices"
    assert NUMBER in billed.call("sql", query).stdout
    rows = list(csv.reader(io.StringIO(billed.call("sql", query, "--format", "csv").stdout)))
    assert rows == [["number", "total"], [NUMBER, "33.0000"]]
    found = billed.json("sql", "select count(*) as n from facts.usage_events")
    assert found["columns"] == [{"name": "n", "type": "BIGINT"}]
    assert found["rows"] == [[3]]
    assert billed.json("sql", "select count(*) from facts.documents")["rows"] == [[1]]


@pytest.mark.parametrize(
    "query",
    [
        "delete from ops.run",
        "create temp table t (a int)",
        "copy (select 1) to '{data}/x.parquet'",
        "explain analyze copy (select 1) to '{data}/x.parquet'",
        "select 1; select 2",
        "from read_csv('/etc/hosts')",
        "attach '{data}/x.db' as x",
        "set enable_external_access = true",
        "from ducklake_cleanup_old_files('lake', cleanup_all => true)",
        "from sqlite_scan('{catalog}', 'ducklake_table')",
        "from query('from ducklake_' || 'snapshots(''lake'')')",
        "select",
    ],
)
def test_sql_refuses_whatever_is_not_a_query(billed, query):
    places = {"data": billed.folder / "lake/data", "catalog": billed.folder / "lake/catalog.sqlite"}
    before = digest(billed.folder / "lake" / "data")
    done = billed.call("sql", query.format(**places))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "nothing was" in done.stderr.lower() or "nothing was changed" in done.stderr
    assert digest(billed.folder / "lake" / "data") == before


def digest(folder):
    names = sorted(str(path) for path in folder.rglob("*"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def test_checks_are_listed_with_their_sentences(billed):
    found = billed.json("checks", "list")
    assert found["run"]["through"] == "2023-12-01"
    assert {row["result"] for row in found["checks"]} == {"holds", "warning"}
    failed = billed.json("checks", "list", "--failed")["checks"]
    assert [row["check_name"] for row in failed] == ["loads_have_few_faults", "quarantine_is_empty"]


def test_a_waiver_of_a_check_that_did_not_fail_names_the_one_that_did(billed):
    done = billed.call(
        *("checks", "waive", "quarantine_empty", "--scope", "run:run"),
        *("--until", "2024-01-01", "--reason", "seen"),
    )
    assert done.exit_code == 2
    assert "did you mean quarantine_is_empty --scope run:run" in done.stderr
    found = billed.json(
        *("checks", "waive", "quarantine_is_empty", "--scope", "run:run"),
        *("--until", "2024-01-01", "--reason", "seen"),
    )
    assert found["until"] == "2024-01-01"


def test_doctor_finds_a_healthy_home_and_then_a_damaged_file(billed):
    found = billed.json("doctor", "--verify", "--sweep")
    assert found["counts"]["fail"] == 0
    names = {one["name"] for one in found["findings"]}
    assert names >= {"duckdb", "lake", "files", "orphans", "published copy", "run lock"}
    (path,) = (billed.folder / "lake/data/facts/documents").glob("*.parquet")
    stored = path.read_bytes()
    path.write_bytes(stored[:40] + bytes([stored[40] ^ 1]) + stored[41:])
    try:
        damaged = billed.json("doctor", "--verify", code=6)
    finally:
        path.write_bytes(stored)
    (fault,) = [one for one in damaged["findings"] if one["status"] == "fail"]
    assert path.name in fault["found"]


# From here on the home changes; the order of the file is the order of the story.


def test_quarantined_events_are_listed_retried_and_refused(billed):
    found = billed.json("quarantine", "list")
    assert found["total"] == 1
    (event,) = found["events"]
    assert event["reference"] == "2-1"
    assert "many" in event["data"]
    retried = billed.call("quarantine", "retry")
    assert (retried.exit_code, "No event could be released" in retried.stderr) == (0, True)
    assert billed.call("quarantine", "refuse", "9-9", "--reason", "no").exit_code == 2
    assert billed.json("quarantine", "refuse", "2-1", "--reason", "text", "--yes")["refused"] == [
        "2-1"
    ]
    assert "empty" in billed.call("quarantine", "list").stdout


def test_a_conflict_shows_both_values_and_is_decided_once(billed):
    for name, tokens in (("a.ndjson", 1), ("b.ndjson", 2)):
        (billed.folder / name).write_text(EVENT.format(tokens))
        loaded = billed.json("ingest", billed.folder / name, "--source", "api")
    assert loaded["totals"]["conflict"] == 1
    (found,) = billed.json("conflicts", "list")["conflicts"]
    assert json.loads(found["first_data"])["context_tokens"] == "1"
    assert json.loads(found["new_data"])["context_tokens"] == "2"
    decided = billed.json("conflicts", "keep", found["reference"], "--reason", "first is right")
    assert decided["decision"] == "kept_first"
    assert billed.call("conflicts", "take", found["reference"], "--reason", "x").exit_code == 2
    assert "No conflict is open" in billed.call("conflicts", "list").stdout


def test_an_approved_draft_is_issued_and_a_blocked_one_is_not(billed):
    (blocked,) = billed.json("invoices", "list", "--state", "blocked")["invoices"]
    refused = billed.call("invoices", "approve", blocked["id"][:8])
    assert (refused.exit_code, "Nothing was approved" in refused.stderr) == (1, True)
    (waiting,) = billed.json("invoices", "list", "--state", "waiting")["invoices"]
    nobody = billed.call("invoices", "approve", "--all")
    assert (nobody.exit_code, "1 draft of net 1,234.50 EUR would be" in nobody.stderr) == (2, True)
    chosen = ("--filter", "customer=nova,max-total=1469.06,currency=eur")
    assert billed.json("invoices", "list", *chosen)["invoices"] == [waiting]
    none = billed.json("invoices", "list", "--filter", "max-total=1469.05,customer=nova")
    assert none["invoices"] == []
    unknown = billed.call("invoices", "approve", "--filter", "customer=nowa", "--yes")
    assert (unknown.exit_code, "did you mean 'nova'" in unknown.stderr) == (2, True)
    done = billed.json("invoices", "approve", *chosen, "--yes")
    assert done["approved"] == [waiting["id"]]
    assert "It says what it said" in billed.call("invoices", "diff", waiting["id"][:8]).stdout
    taken = billed.json("invoices", "discard", waiting["id"][:8], "--reason", "no", "--dry-run")
    assert taken["discarded"] == [waiting["id"]]
    (approved,) = billed.json("invoices", "list", "--state", "approved")["invoices"]
    assert approved["id"] == waiting["id"]
    issued = billed.json("invoices", "issue", waiting["id"][:8], "--yes")
    assert issued["issued"] == ["acme-eu-2023-000001"]
    assert billed.json("invoices", "issue", code=3)["held"][0]["id"] == blocked["id"]
    told = billed.json("invoices", "history", "acme-eu-2023-000001")["steps"]
    assert [one["step"] for one in told] == ["drafted", "approved", "issued"]
    assert "posted on" in billed.call("invoices", "history", "acme-eu-2023-000001").stdout


def test_a_closed_period_is_reported_with_what_was_posted(billed):
    found = billed.json("close", "--until", "2023-12-16", "--entity", "acme-eu", "--yes")
    assert found["entities"] == ["acme-eu"]
    assert found["cut_off"] == "2023-12-16"
    again = billed.call("close", "--until", "2023-12-16", "--entity", "acme-eu")
    assert (again.exit_code, "Nothing was closed" in again.stdout) == (0, True)
