"""Every kill: at each named failpoint, in each commit of a run, and at twenty random moments."""

import random

import pytest

from meterhouse.failpoints import NAMES
from tests.gates.azure import made_rows, new_home, text_of
from tests.gates.killing import (
    BY_COMMIT,
    BY_FILE,
    COMMITS,
    FILES_OF_AN_ISSUE,
    LAST_PLACE,
    Undisturbed,
    assert_repaired,
    commits_of,
    parent,
)

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("soak")]

MOMENTS = 20
# The commit that comes next where a place belongs to none; None after all.
BETWEEN = {
    "ingest.staged": "batches",
    "ingest.classified": "batches",
    "run.pinned": "check_results",
    "run.windows": "check_results",
    "run.usage": "check_results",
    "run.rated": "check_results",
    "run.drafted": "check_results",
    "run.checked": "manifests",
    "run.manifest": "documents",
    "issue.numbered": "documents",
    "run.issued": None,
    "run.marts": None,
    "publish.copied": None,
    "publish.renamed": None,
}
IN_COMMITS = [(place, commit, 1) for place in BY_COMMIT for commit in COMMITS]
# The last file of a batch is its row of facts.batches, of an issue the command that says who.
IN_FILES = [
    (place, commit, nth)
    for place in BY_FILE
    for commit, nth in (
        ("book_versions", 1),
        ("batches", 1),
        ("check_results", 1),
        ("manifests", 1),
        ("documents", 1),
        ("documents", FILES_OF_AN_ISSUE),
    )
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak")
    file = folder / "usage.csv"
    # Two UTC days, so that one batch writes two files of events.
    rows = made_rows(250) + made_rows(250, start="2023-11-17 09:00:00", seed=17)
    file.write_text(text_of(rows))
    with parent(folder) as process:
        yield Undisturbed.run(process, folder, file)


def test_every_named_failpoint_is_in_a_case():
    # Exports are no part of a run: tests/exports/test_period.py kills them at each of theirs.
    of_runs = {name for name in NAMES if not name.startswith("export.")}
    assert {*BETWEEN, *BY_COMMIT, *BY_FILE} == of_runs


def test_the_undisturbed_run_makes_the_commits_and_files_that_the_cases_count(undisturbed):
    assert tuple(dict.fromkeys(undisturbed.order)) == COMMITS
    assert undisturbed.usage_files == 2
    single = len(undisturbed.order) - len(["properties", "batches", "documents"])
    assert undisturbed.counts["files"] == single + 3 + FILES_OF_AN_ISSUE


@pytest.mark.parametrize("place", list(BETWEEN))
def test_a_kill_between_commits_is_repaired_by_a_plain_run(undisturbed, tmp_path, place):
    assert_a_kill_is_repaired(undisturbed, tmp_path, place, undisturbed.standing(BETWEEN[place]))


@pytest.mark.parametrize(("place", "commit", "nth"), IN_COMMITS + IN_FILES)
def test_a_kill_in_a_commit_is_repaired_by_a_plain_run(undisturbed, tmp_path, place, commit, nth):
    standing = undisturbed.standing(commit, is_done=place == LAST_PLACE)
    failpoint = f"{place}:{undisturbed.passes(place, commit, nth)}"
    assert_a_kill_is_repaired(undisturbed, tmp_path, failpoint, standing)


def test_a_kill_at_the_last_file_of_a_batch_is_repaired_by_a_plain_run(undisturbed, tmp_path):
    failpoint = f"commit.rename:{undisturbed.passes('commit.rename', 'batches', 3)}"
    assert_a_kill_is_repaired(undisturbed, tmp_path, failpoint, undisturbed.standing("batches"))


def assert_a_kill_is_repaired(undisturbed, folder, failpoint, standing):
    home = new_home(folder / "home")
    code, complained, _ = undisturbed.start(home, failpoint).end()
    assert code == -9, f"{failpoint} was not reached: {complained}"
    assert commits_of(home) == standing
    assert_repaired(home, undisturbed)


@pytest.mark.parametrize("number", range(MOMENTS))
def test_a_kill_at_a_random_moment_is_repaired_by_a_plain_run(undisturbed, tmp_path, number):
    home = new_home(tmp_path / "home")
    # One moment in each twentieth of the run: a flat draw would leave gaps.
    share = (number + random.Random(number).random()) / MOMENTS
    undisturbed.start(home).kill_after(share * undisturbed.seconds)
    assert_repaired(home, undisturbed)


def test_a_home_killed_again_and_again_is_repaired_by_a_plain_run(undisturbed, tmp_path):
    home = new_home(tmp_path / "home")
    for number in range(5):
        moment = random.Random(100 + number).uniform(0, undisturbed.seconds)
        undisturbed.start(home).kill_after(moment)
    assert_repaired(home, undisturbed)
