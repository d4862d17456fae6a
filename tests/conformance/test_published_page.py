"""docs/published-cases.md tells of every case that is not verified, or that we answer otherwise."""

from pathlib import Path

from tests.conformance.vectors import DIFFERENCES, load

PAGE = Path(__file__).parents[2] / "docs" / "published-cases.md"


def rows():
    """The rows of the page's tables by the case that they tell of."""
    cells = [line.split("|")[1:-1] for line in PAGE.read_text("utf-8").splitlines() if "|" in line]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in cells}


def test_every_case_that_nobody_verified_is_told_with_our_answer_and_why():
    unverified = {str(case["id"]) for case in load(None, None).cases if case.get("unverified")}
    told = {id for id, cells in rows().items() if len(cells) == 2 and all(cells)}
    assert unverified <= told


def test_the_answers_told_are_those_that_the_cases_hold_us_to():
    published = {
        str(case["id"]): str(case.get("expected_amount", case.get("expected")))
        for case in load(None, None).cases
        if case.get("unverified") and case.get("kind") in {"charge", "meter"}
    }
    assert {id: rows()[id][0] for id in published} == published


def test_every_case_that_we_answer_otherwise_is_told():
    listed = [line.strip() for line in DIFFERENCES.read_text("utf-8").splitlines()]
    ids = {line for line in listed if line and not line.startswith("#")}
    assert ids == {id for id, cells in rows().items() if len(cells) == 3} - {"Case", "---"}
