"""A quarantined event is shown with all that helps to let it in."""

import json

import pytest

pytestmark = pytest.mark.slow


def line(**changed):
    event = {
        "id": "e1",
        "type": "llm_request",
        "subject": "contoso",
        "time": "2023-12-05T00:00:00Z",
        "data": {"context_tokens": 1, "generated_tokens": 1},
    }
    return json.dumps(event | changed) + "\n"


@pytest.fixture
def loaded(begun):
    settings = begun.folder / "meterhouse.yaml"
    settings.write_text(settings.read_text().replace("sources:", "sources:\n  api: {}"))
    assert begun.call("apply", "--yes").exit_code == 0
    (begun.folder / "a.ndjson").write_text(
        line(type="llm_requets", subject="contosso", time="noon")
        + line(id="e2", data={"context_tokens": "1e3", "generated_tokens": "many"})
        + line(id="e3", subject="contosso")
    )
    assert begun.call("ingest", begun.folder / "a.ndjson", "--source", "api").exit_code == 0
    return begun


def test_every_fault_and_the_nearest_names_of_the_book_are_shown(loaded):
    found = loaded.json("quarantine", "show", "2-1")
    assert [fault.split()[0] for fault in found["faults"]] == ["Event", "Subject", "Time"]
    assert found["faults_now"] == found["faults"]
    assert found["book"]["near_types"] == ["llm_request"]
    assert "contoso" in found["book"]["near_subjects"]
    assert (found["file"], found["source_row"], found["status"]) == ("a.ndjson", 1, "quarantined")
    told = loaded.call("quarantine", "show", "2-1").stdout
    assert "near names: llm_request" in told
    assert "Add the event type to the book" in told


def test_the_properties_of_the_type_and_the_customer_stand_beside_the_data(loaded):
    found = loaded.json("quarantine", "show", "2-2")
    assert found["data"] == {"context_tokens": "1e3", "generated_tokens": "many"}
    assert len(found["faults"]) == 2
    assert [one["name"] for one in found["book"]["properties"]] == [
        *("context_tokens", "generated_tokens")
    ]
    assert [one["customer_id"] for one in found["book"]["customers"]] == ["contoso"]


def test_an_event_that_holds_by_now_is_released_by_the_retry_that_was_announced(loaded):
    (loaded.folder / "book" / "more.yaml").write_text(
        "kind: customer\nid: contosso\nname: Other\ntax: {treatment: exempt, reason: test}\n"
    )
    applied = loaded.call("apply", "--yes")
    assert applied.exit_code == 0, applied.stderr
    found = loaded.json("quarantine", "show", "2-3")
    assert found["faults_now"] == []
    assert "It holds now" in found["remedy"]
    assert loaded.json("quarantine", "retry", "--dry-run")["releasable"] == 1
    assert loaded.json("quarantine", "retry")["totals"]["released"] == 1
    ended = loaded.json("quarantine", "show", "2-3")
    assert (ended["status"], ended["remedy"]) == (
        "released",
        "Nothing: it was released by batch 4.",
    )


def test_the_list_counts_by_source_and_reason_with_the_age_of_the_oldest(loaded, monkeypatch):
    counts = loaded.json("quarantine", "list")["counts"]
    assert [(one["source"], one["reason"], one["events"]) for one in counts] == [
        ("api", "exponent_form", 1),
        ("api", "unknown_subject", 1),
        ("api", "unknown_type", 1),
    ]
    assert {one["oldest_days"] for one in counts} == {0}
    monkeypatch.setenv("METERHOUSE_NOW", "2099-01-01T00:00:00+00:00")
    assert loaded.json("quarantine", "list")["counts"][0]["oldest_days"] > 10_000


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["--reason", "unknown_type"], ["e1"]),
        (["--type", "llm_request"], ["e2", "e3"]),
        (["--subject", "contosso"], ["e1", "e3"]),
        (["--batch", "2"], ["e1", "e2", "e3"]),
        (["--batch", "1"], []),
    ],
)
def test_the_list_can_be_narrowed(loaded, words, ids):
    assert [one["event_id"] for one in loaded.json("quarantine", "list", *words)["events"]] == ids


def test_a_misspelt_reason_is_no_empty_quarantine(loaded):
    done = loaded.call("quarantine", "list", "--reason", "unknown_typ")
    assert (done.exit_code, "did you mean 'unknown_type'?" in done.stderr) == (2, True)
