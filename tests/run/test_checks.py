"""Every check finds the fault it was written for, stores it, and holds back its scope alone."""

import json

import pytest

from meterhouse.run.checks import EVERY_CHECK
from tests.run.planted import ELSEWHERE, EVERYTHING, FAULTS
from tests.truth.events import request
from tests.truth.harness import MONTHS

pytestmark = [pytest.mark.slow]
THROUGH = MONTHS[2]
STORED = """
select passed, is_blocking, scope_kind, scope_id, numbers, sentence from facts.check_results
where run_id = ? and check_name = ? order by attempt, scope_id
"""


def test_every_check_has_a_planted_fault():
    assert {fault.check for fault in FAULTS.values()} | ELSEWHERE == {
        one.name for one in EVERY_CHECK
    }


def test_nothing_is_held_where_nothing_is_planted(october):
    done = october.issue(THROUGH)
    assert done.failed == set()
    assert done.held == {}
    assert done.billed == EVERYTHING
    stored = october.rows("select bool_and(passed), count(*) from facts.check_results")
    assert stored[0][0]
    names = october.rows("select distinct check_name from facts.check_results order by 1")
    assert [name for (name,) in names] == sorted(one.name for one in EVERY_CHECK)


@pytest.fixture(scope="module")
def drafted(in_october, tmp_path_factory):
    """A run that stands before its checks; copied, never changed."""
    home = in_october.copy(tmp_path_factory.mktemp("drafted") / "home")
    home.draft(THROUGH)
    return home


# Faults in facts need a whole run each: these are met by every change, the others by the soak.
ALWAYS = (
    "a batch that lost a record", "an issued document without its lines",
    "a tax on record that its document does not have", "an entry with one side",
    "a balance that the books do not owe", "a number that is missing",
)  # fmt: skip


def _marked(name):
    is_quick = FAULTS[name].spoil or name in ALWAYS
    return pytest.param(name, marks=() if is_quick else (pytest.mark.soak,))


def run_with(fault, in_october, drafted, path):
    """A home with the fault, and the run that meets it."""
    if fault.spoil:
        home = drafted.copy(path)
        return home, home.judge(fault.spoil)
    home = in_october.copy(path)
    if fault.facts:
        home.plant(**fault.facts)
    home.land(fault.events)
    return home, home.issue(THROUGH)


@pytest.mark.parametrize("name", [_marked(name) for name in FAULTS])
def test_a_check_stores_what_it_found_and_nothing_in_its_scope_is_issued(
    in_october, drafted, tmp_path, name
):
    fault = FAULTS[name]
    home, done = run_with(fault, in_october, drafted, tmp_path / "home")

    stored = home.rows(STORED, [done.run_id, fault.check])
    failed = [row for row in stored if not row[0]]
    assert failed, f"{fault.check} passed"
    kind, scope = fault.scope
    for _, is_blocking, found_kind, found_scope, numbers, sentence in failed:
        assert is_blocking
        assert found_kind == kind
        assert found_scope == scope or scope is None
        assert {"expected", "actual", "detail"} == json.loads(numbers).keys()
        assert sentence.startswith(f"Check {fault.check} failed for {kind} {found_scope}: ")
    assert set(done.held) == fault.held
    assert done.billed == EVERYTHING - fault.held
    issued = home.rows(
        "select distinct contract_id from facts.documents where run_id = ?", [done.run_id]
    )
    assert {contract for (contract,) in issued} == EVERYTHING - fault.held


@pytest.mark.soak
def test_a_fault_that_was_repaired_holds_back_nothing_any_more(october):
    spoil = "update billing.drafts set total = total + 1 where customer_id = 'alpha'"
    assert set(october.issue(THROUGH, spoil=spoil).held) == {"alpha-main"}
    again = october.issue(THROUGH)
    assert again.failed == set()
    assert again.billed == {"alpha-main"}


@pytest.mark.soak
def test_open_quarantine_is_stored_as_failed_and_holds_back_nothing(october):
    october.land([request("c-9", "nobody", "2025-11-12T12:00:00Z", 1)])
    done = october.issue(THROUGH)
    ((passed, is_blocking, *_, numbers, _),) = october.rows(
        STORED, [done.run_id, "quarantine_is_empty"]
    )
    assert (passed, is_blocking) == (False, False)
    assert json.loads(numbers) == {"actual": "1", "detail": "events", "expected": "0"}
    assert done.billed == EVERYTHING


@pytest.mark.soak
def test_a_passed_check_is_stored_with_its_numbers(october):
    done = october.issue(THROUGH)
    ((passed, _, _, _, numbers, _),) = october.rows(STORED, [done.run_id, "batches_add_up"])
    found = json.loads(numbers)
    assert passed
    assert found["expected"] == found["actual"] != "0"
