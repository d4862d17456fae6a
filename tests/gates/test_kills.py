"""A few kills of the soak: wherever a run dies, the same command again ends where it would have."""

import random

import pytest

from tests.gates.azure import made_rows, new_home, text_of
from tests.gates.killing import LAST_PLACE, Undisturbed, assert_repaired, commits_of, parent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills")]

FEW = {
    "the issue is committed": ("commit.after", "documents"),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    file = folder / "usage.csv"
    file.write_text(text_of(made_rows(500)))
    with parent(folder) as process:
        yield Undisturbed.run(process, folder, file)


@pytest.mark.parametrize("case", list(FEW))
def test_a_run_killed_in_a_commit_and_run_again_gives_the_same_document(
    undisturbed, tmp_path, case
):
    place, commit = FEW[case]
    home = new_home(tmp_path / "home")
    code, complained, _ = undisturbed.start(
        home, f"{place}:{undisturbed.passes(place, commit)}"
    ).end()
    assert code == -9, complained
    assert commits_of(home) == undisturbed.standing(commit, is_done=place == LAST_PLACE)
    assert_repaired(home, undisturbed)


def test_a_run_killed_at_a_random_moment_and_run_again_gives_the_same_document(
    undisturbed, tmp_path
):
    home = new_home(tmp_path / "home")
    moment = random.Random(20231201).uniform(0, undisturbed.seconds)
    undisturbed.start(home).kill_after(moment)
    assert_repaired(home, undisturbed)
