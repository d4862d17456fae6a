import json

import pytest

from tests.conformance.judging import check_case, fault_of
from tests.conformance.vectors import BASELINE, COMMITTED, load

CASE = {
    "id": "a",
    "source": "here",
    "kind": "charge",
    "model": "per_unit",
    "currency": "EUR",
    "price": {"unit_amount": "0.5"},
    "quantity": "3",
    "expected_amount": "1.5",
    "notes": "",
}


def written(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_a_case_that_holds_passes():
    assert fault_of(CASE, {}) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"expected_amount": "1.51"}, "published 1.51, found 1.500000000000000000 [{"),
        ({"model": "barter"}, "not supported: model barter"),
        ({"events": []}, "not supported: field events"),
        (
            {"phases": [{"cumulative_quantity": "3"}], "expected_phase_amounts": ["2"]},
            "published [Decimal('2')], found [Decimal('1.500000000000000000')] [",
        ),
        ({"price": {"unit_amount": "1", "free": "2"}}, "not supported: price field free"),
        ({"round_to": 0, "rounding": "floor"}, "published 1.5, found 1 [{"),
        ({"round_to": 0, "rounding": "ceil"}, "published 1.5, found 2 [{"),
        ({"round_to": 2, "rounding": "half_even"}, "not supported: rounding half_even"),
        ({"previously_billed": "0.1"}, "published 1.5, found 1.400000000000000000 [{"),
        ({"quantity": "0.1234567890123"}, "published 1.5, found 0.061728394506150"),
        ({"kind": "refund"}, "not supported: kind refund"),
    ],
)
def test_a_case_that_does_not_hold_says_why(change, fault):
    assert fault_of(CASE | change, {}).startswith(fault)


def test_a_listed_case_that_holds_must_be_struck_off():
    with pytest.raises(pytest.fail.Exception, match="strike it off"):
        check_case(CASE, {}, frozenset({"a"}))


def test_a_listed_case_that_fails_is_expected_to():
    with pytest.raises(pytest.xfail.Exception, match="model barter"):
        check_case(CASE | {"model": "barter"}, {}, frozenset({"a"}))


def test_an_unlisted_case_that_fails_fails():
    with pytest.raises(AssertionError, match="model barter"):
        check_case(CASE | {"model": "barter"}, {}, frozenset())


def test_a_folder_is_read_with_its_subfolders_and_without_our_baseline(tmp_path):
    written(tmp_path, "flat.json", [CASE])
    written(tmp_path, "metering/deep.json", [CASE | {"id": "b", "kind": "meter"}])
    suite = load(str(tmp_path), None)
    assert [case["id"] for case in suite.cases] == ["a", "b"]
    assert suite.not_built == frozenset()


def test_what_is_not_a_case_is_kept_as_one_that_fails(tmp_path):
    written(tmp_path, "odd.json", {"valid": True})
    written(tmp_path, "list.json", [1])
    suite = load(str(tmp_path), None)
    assert [fault_of(case, {}) for case in suite.cases] == [
        "not supported: kind no id",
        "not supported: kind a file that is not a list of cases",
    ]


def test_a_baseline_may_be_named_for_other_vectors(tmp_path):
    written(tmp_path, "flat.json", [CASE])
    listed = tmp_path / "known.txt"
    listed.write_text("# a remark\na  # not yet\n\n")
    assert load(str(tmp_path), str(listed)).not_built == {"a"}


def test_a_documented_difference_is_known_in_any_folder(tmp_path):
    written(tmp_path, "a.json", [CASE | {"id": "kb-transition-instants"}, CASE])
    assert load(str(tmp_path), None).not_built == {"kb-transition-instants"}


def test_the_committed_vectors_use_the_committed_baseline():
    assert load(str(COMMITTED), None).not_built == load(None, str(BASELINE)).not_built


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_a_folder_without_cases_is_refused(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="--vectors"):
        load(str(tmp_path / folder), None)


def test_a_json_float_is_refused(tmp_path):
    (tmp_path / "f.json").write_text('[{"id": "a", "quantity": 1.5}]')
    with pytest.raises(ValueError, match=r"1\.5 is not a string"):
        load(str(tmp_path), None)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": "0.1234567890123456789", "expected_amount": "0.06172839450617283945"},
        {
            "quantity": "1234567.000001",
            "price": {"unit_amount": "0.0000000000000001"},
            "expected_amount": "0.0000000001234567000001",
        },
        {
            "model": "volume",
            "quantity": "0.0000000000001",
            "price": {
                "tiers": [{"up_to": "1", "unit_amount": "0.3", "flat_amount": "7"}],
                "minimum_amount": "1",
                "maximum_amount": "7",
            },
            "expected_amount": "7",
        },
        {
            "model": "percentage",
            "quantity": None,
            "price": {"rate": "0.01", "fixed_amount": "5", "free_amount": "0.0000000000001"},
            "events": [{"value": "0.0000000000001"}, {"value": "100"}],
            "expected_amount": "6",
        },
        {
            "quantity": "3.0000000000001",
            "round_to": 2,
            "previously_billed": "0.5",
            "expected_amount": "1",
        },
    ],
)
def test_a_case_finer_than_the_scale_budget_is_asked_in_smaller_units(change):
    assert fault_of(CASE | change, {}) is None


TIERS = {
    "tiers": [
        {"up_to": "10", "unit_amount": "5", "flat_amount": "100"},
        {"up_to": "20", "unit_amount": "2", "flat_amount": "50"},
    ]
}
LIMITS = {
    "unit_amount": "10",
    "usage_discount_quantity": "5",
    "percentage_discount": "10",
    "maximum_amount": "40",
    "minimum_amount": "30",
}


@pytest.mark.parametrize(
    ("model", "price", "asked", "amount"),
    [
        # The last tier prices what lies beyond it, also where a source gives it a bound.
        ("volume", TIERS, {"quantity": "25"}, "100"),
        ("graduated", TIERS, {"quantity": "25"}, "230"),
        ("stairstep", TIERS, {"quantity": "25"}, "50"),
        ("volume", TIERS | {"zero_quantity_flat": "not_charged"}, {"quantity": "0"}, "0"),
        ("volume", TIERS | {"tier_quantity": "12"}, {"quantity": "6"}, "62"),
        ("per_unit", LIMITS, {"quantity": "8"}, "30"),
        ("per_unit", LIMITS, {"quantity": "20"}, "40"),
        ("percentage", {"rate": "0.1", "fixed_amount": "2"}, {"quantity": "50"}, "7"),
        ("bps", {"bps": "25"}, {"quantity": "1000"}, "2.5"),
        ("dynamic", {}, {"events": [{"amount": "1.5"}, {"amount": "2"}]}, "3.5"),
    ],
)
def test_all_terms_of_a_charge_are_understood(model, price, asked, amount):
    case = {name: value for name, value in CASE.items() if name != "quantity"}
    assert (
        fault_of(case | asked | {"model": model, "price": price, "expected_amount": amount}, {})
        is None
    )


def test_a_phase_bills_the_whole_less_what_was_billed_and_the_minimum_only_at_the_end():
    phases = [{"cumulative_quantity": quantity} for quantity in ("3", "8", "20")]
    asked = {"price": LIMITS, "phases": phases, "expected_phase_amounts": ["0", "27", "13"]}
    assert fault_of(CASE | asked, {}) is None
    low = asked | {"phases": phases[:2], "expected_phase_amounts": ["0", "30"]}
    assert fault_of(CASE | low, {}) is None
