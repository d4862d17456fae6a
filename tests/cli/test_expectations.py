"""Suites of expectations are listed with their origin, copied to be edited, and checked."""

import pytest


def test_every_suite_is_shown_with_its_origin(begun):
    found = begun.json("expectations", "show")
    assert {row["suite"] for row in found["expectations"]} == {"loads", "days", "drafts"}
    assert {row["origin"] for row in found["expectations"]} == {"shipped"}
    held = {row["name"]: row["holds_back"] for row in found["expectations"]}
    assert held["loads_have_few_faults"] == "nothing"
    assert held["drafts_have_a_currency"] == "contract"


def test_the_shipped_suites_are_copied_once_and_never_over_an_edited_one(begun):
    written = begun.json("expectations", "show", "--write")["written"]
    assert len(written) == 3
    mine = begun.folder / "expectations" / "days.yaml"
    mine.write_text(mine.read_text().replace("min_value: -90", "min_value: -50"))
    text = mine.read_text()
    (begun.folder / "expectations" / "loads.yaml").unlink()
    again = begun.json("expectations", "show", "--write")
    assert again["written"] == [str(begun.folder / "expectations" / "loads.yaml")]
    assert mine.read_text() == text
    assert {row["origin"] for row in again["expectations"]} == {
        str(begun.folder / "expectations" / f"{name}.yaml") for name in ("days", "drafts", "loads")
    }


def test_a_suite_with_faults_is_refused_with_all_of_them(begun):
    (begun.folder / "expectations").mkdir()
    (begun.folder / "expectations" / "mine.yaml").write_text(
        "batch: loads\nsource: azur\nexpectations:\n- {name: a, expekt: b, blocking: true}\n"
    )
    done = begun.call("expectations", "show")
    assert done.exit_code == 2
    for part in ("did you mean 'expect'", "claim: is missing", "nothing was checked"):
        assert part in done.stderr


@pytest.mark.slow
def test_a_check_without_a_run_knows_the_gallery(begun):
    assert begun.json("expectations", "check")["suites"] == 3
    begun.json("expectations", "show", "--write")
    mine = begun.folder / "expectations" / "days.yaml"
    mine.write_text(mine.read_text().replace("min_value: -90", "mim_value: -90"))
    done = begun.call("expectations", "check")
    assert (done.exit_code, "days_do_not_collapse" in done.stderr) == (2, True)
    assert "mim_value" in done.stderr
