"""Each shipped expectation holds for sound data and fails for data that breaks it."""

from decimal import Decimal

import polars as pl
import pytest

from meterhouse.errors import UsageError
from meterhouse.run.expectations import SHIPPED, Suite, judge, load_suites
from meterhouse.settings import HomeFile, Settings

pytestmark = pytest.mark.slow  # Great Expectations takes 6 s to import.
SOUND = {
    "loads": {
        "batch_seq": [1, 2],
        "source": ["api", "api"],
        "received": [100, 100],
        "accepted": [95, 100],
        "duplicate": [0, 0],
        "conflict": [0, 0],
        "quarantined": [5, 0],
        "open": [5, 0],
        "open_percent": [5, 0],
    },
    "drafts": {
        "draft_id": ["d1", "d2"],
        "customer_id": ["acme", "bolt"],
        "contract_id": ["c1", "c2"],
        "entity_id": ["ent", "ent"],
        "currency": ["EUR", "USD"],
        "net": [Decimal("1.50"), Decimal("-7")],
    },
}
# Expectation: batch, column, the second row's bad value, and the scope that is held back.
SPOILT = {
    "loads_have_few_faults": ("loads", "open_percent", 6, ("run", "run")),
    "loads_name_their_source": ("loads", "source", None, ("run", "run")),
    "loads_count_from_zero": ("loads", "accepted", -1, ("run", "run")),
    "drafts_are_unique": ("drafts", "draft_id", "d1", ("run", "run")),
    "drafts_name_their_customer": ("drafts", "customer_id", None, ("run", "run")),
    "drafts_have_a_currency": ("drafts", "currency", "Euro", ("contract", "c2")),
    "drafts_are_of_plausible_size": ("drafts", "net", Decimal(10**9 + 1), ("customer", "bolt")),
}


@pytest.fixture(scope="module")
def suites(tmp_path_factory):
    loaded = load_suites(Settings(tmp_path_factory.mktemp("home"), HomeFile()))
    return {suite.batch: suite for suite in loaded}


def frame(batch, **changed):
    return pl.DataFrame(SOUND[batch] | changed)


@pytest.mark.parametrize("batch", SOUND)
def test_sound_data_passes(suites, batch):
    results = judge(suites[batch], frame(batch))
    assert results["passed"].all()
    assert results.height == len(suites[batch].expectations)


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_data_trips_the_expectation_in_its_scope(suites, name):
    batch, column, bad, scope = SPOILT[name]
    results = judge(suites[batch], frame(batch, **{column: [SOUND[batch][column][0], bad]}))
    failed = results.filter(~pl.col("passed"))
    assert failed.select("check_name", "scope_kind", "scope_id").rows() == [(name, *scope)]
    assert failed["sentence"][0].startswith(f"Check {name} failed for {scope[0]} {scope[1]}:")


def test_every_shipped_expectation_is_tripped_above(suites):
    names = {one.name for suite in suites.values() for one in suite.expectations}
    assert names == set(SPOILT)


def test_an_expectation_that_does_not_exist_is_named():
    wrong = {"name": "x", "expect": "expect_magic", "blocking": True, "claim": "c", "remedy": "r"}
    suite = Suite.model_validate({"batch": "loads", "expectations": [wrong]})
    with pytest.raises(UsageError, match="'x' cannot be used"):
        judge(suite, frame("loads"))


def test_a_bound_that_is_a_float_is_refused_with_its_place(tmp_path):
    (tmp_path / "expectations").mkdir()
    text = (SHIPPED / "loads.yaml").read_text().replace("max_value: 5", "max_value: 0.5")
    (tmp_path / "expectations" / "loads.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"expectations\.0\.arguments\.max_value"):
        load_suites(Settings(tmp_path, HomeFile()))
