"""Every published case, run through the product: `pytest tests/conformance --vectors DIR`."""

import pytest

from tests.conformance import metering
from tests.conformance.judging import check_case
from tests.conformance.vectors import Suite, load

_SUITE = pytest.StashKey[Suite]()


def suite_of(config):
    if _SUITE not in config.stash:
        try:
            suite = load(config.getoption("--vectors"), config.getoption("--baseline"))
        except (OSError, ValueError) as error:
            raise pytest.UsageError(str(error)) from error
        config.stash[_SUITE] = suite
    return config.stash[_SUITE]


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        cases = suite_of(metafunc.config).cases
        metafunc.parametrize("case", cases, ids=[str(case["id"]) for case in cases])


@pytest.fixture(scope="session")
def suite(pytestconfig):
    return suite_of(pytestconfig)


@pytest.fixture(scope="session")
def measured(suite):
    return metering.measure([case for case in suite.cases if case.get("kind") == "meter"])


def test_the_published_figure_is_ours(case, measured, suite):
    check_case(case, measured, suite.not_built)


def test_the_baseline_lists_only_cases_that_exist(suite):
    assert sorted(suite.not_built - {case["id"] for case in suite.cases}) == []
