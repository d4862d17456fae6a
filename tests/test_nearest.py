"""The nearest known name, in the words every refusal uses."""

import pytest

from meterhouse.nearest import did_you_mean, known_names, nearest


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("aply", ["apply", "plan"], ["apply"]),
        ("ACME-1", ["acme-1", "acme-2"], ["acme-1"]),
        ("zzz", ["apply", "plan"], []),
        ("", ["apply"], []),
        ("x", [], []),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case(name, known, found):
    assert nearest(name, known) == found


def test_several_near_names_come_best_first():
    assert nearest("acme-12", ["acme-1", "acme-2", "bolt", "acme-12x"], 2) == ["acme-12x", "acme-2"]


def test_a_hint_is_a_question_or_nothing():
    assert did_you_mean("azur", ["azure"]) == "; did you mean 'azure'?"
    assert did_you_mean("q", ["azure"]) == ""


def test_a_long_list_of_names_is_cut_with_a_word_on_the_rest():
    assert known_names([]) == "none"
    assert known_names(["b", "a"]) == "a, b"
    assert known_names([f"n{i}" for i in range(5)], 2) == "n0, n1 and 3 more"
