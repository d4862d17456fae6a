"""What the generator writes, before anything is loaded."""

from datetime import date

import pytest

from meterhouse.catalog.loading import load_folder
from meterhouse.catalog.references import check
from meterhouse.demo.home import write_home
from meterhouse.errors import UsageError
from meterhouse.settings import Settings


def content(home):
    """Bytes of every file of a home by its path."""
    files = (path for path in home.rglob("*") if path.is_file())
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def documents(plan):
    return load_folder(plan.home / "book")


@pytest.fixture(scope="module")
def contracts(documents):
    return [one for one in documents if one.kind == "contract"]


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    one = write_home(tmp_path / "one", customers=30, seed=11)
    two = write_home(tmp_path / "two", customers=30, seed=11)
    other = write_home(tmp_path / "other", customers=30, seed=12)
    assert content(one.home) == content(two.home)
    assert (one.outcomes, one.reasons) == (two.outcomes, two.reasons)
    assert content(one.home).keys() == content(other.home).keys()
    assert content(one.home) != content(other.home)


def test_every_file_is_in_the_plan(plan):
    planned = {
        path.relative_to(plan.home).as_posix()
        for stage in plan.stages
        for files in stage.files.values()
        for path in files
    }
    written = {path for path in content(plan.home) if path.startswith("stages/")}
    assert planned == written
    lines = sum(content(plan.home)[path].count(b"\n") - path.endswith(".csv") for path in planned)
    assert lines == sum(plan.outcomes.values())


def test_the_stages_bill_three_months_and_then_a_correction(plan):
    assert [stage.through for stage in plan.stages] == [
        date(2026, 9, 1),
        date(2026, 10, 1),
        date(2026, 11, 1),
        date(2026, 11, 1),
    ]
    assert plan.stages[3].outcomes == {"accepted": 40}
    assert list(plan.stages[3].files) == ["api"]


@pytest.mark.parametrize(("customers", "seed"), [(30, 1), (31, 2), (63, 3), (200, 7), (450, 5)])
def test_the_book_has_no_faults(tmp_path, customers, seed):
    write_home(tmp_path, customers=customers, seed=seed)
    documents = load_folder(tmp_path / "book")
    assert check(documents) == []
    assert sum(one.kind == "customer" for one in documents) == customers
    assert set(Settings.load(tmp_path).file.sources) == {"api", "storage"}


def test_the_book_shows_every_shape_of_price(contracts):
    items = [item for one in contracts for item in one.content["items"]]
    assert {item["price"]["model"] for item in items} == {"flat", "per_unit", "graduated"}
    assert {item["timing"] for item in items if item["meter"] is None} == {"advance", "arrears"}
    assert {item["meter"] for item in items} == {
        None,
        "tokens_in",
        "tokens_out",
        "requests",
        "storage",
    }
    assert any(item["id"] == "seats" and int(item["quantity"]) > 1 for item in items)
    assert any(one.valid_from == date(2026, 10, 1) for one in contracts)


def test_the_contracts_reach_every_currency_and_zone(contracts):
    assert {one.content["currency"] for one in contracts} == {"USD", "JPY", "KWD"}
    assert {one.content["zone"] for one in contracts} == {
        "America/New_York",
        "Europe/Berlin",
        "Asia/Tokyo",
        "Asia/Kathmandu",
    }
    assert any(one.content["payer"] != one.content["customer"] for one in contracts)


def test_some_contracts_start_or_end_inside_a_month(contracts):
    starts = {one.content["start"] for one in contracts}
    ends = {one.content["end"] for one in contracts}
    assert {"2026-08-01", "2026-08-12", "2026-08-15", "2026-09-10"} <= starts
    assert min(starts) == "2026-08-01"
    assert {None, "2026-09-20", "2026-10-16"} <= ends
    assert {one.content["anchor_day"] for one in contracts} == {1, 15}


def test_one_customer_has_contracts_in_two_zones(contracts):
    zones = {}
    for one in contracts:
        zones.setdefault(one.content["customer"], set()).add(one.content["zone"])
    assert [found for found in zones.values() if len(found) > 1] == [
        {"America/New_York", "Asia/Tokyo"}
    ]


def test_customers_are_taxed_in_every_way_and_only_the_named_are_undecided(plan, documents):
    taxes = {one.id: one.content["tax"] for one in documents if one.kind == "customer"}
    treatments = {tax["treatment"] for tax in taxes.values() if tax is not None}
    assert treatments == {"taxed", "exempt", "reverse_charge"}
    undecided = {name for name, tax in taxes.items() if tax is None}
    assert undecided == set(plan.without_tax_decision)
    assert len(undecided) == 3
    assert plan.largest not in {*undecided, *plan.without_contract, *plan.in_conflict}


def test_too_few_customers_are_refused(tmp_path):
    with pytest.raises(UsageError, match="at least 30 customers"):
        write_home(tmp_path / "home", customers=29)
    assert not (tmp_path / "home").exists()
