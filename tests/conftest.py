import gc
import os

import pytest
from hypothesis import settings

from tests.cores import keep_to_own_cores
from tests.folders import use_memory
from tests.scheduling import scheduler, slowest_first

# Before DuckDB and polars are imported, which start as many threads as they find cores.
keep_to_own_cores(os.environ)

# dbt's and Dagster's objects stay for the whole session: to look through them for garbage after
# every 700 new ones took an eighth of the CPU.
gc.set_threshold(200_000, 50, 100)
# How long one example takes says how busy the machine is, and nothing of the claim.
settings.register_profile("meterhouse", deadline=None, max_examples=30)
# `make soak` asks for this one.
settings.register_profile("soak", deadline=None, max_examples=300)
settings.load_profile("meterhouse")


def pytest_addoption(parser):
    group = parser.getgroup("conformance")
    group.addoption(
        "--vectors",
        metavar="DIR",
        help="folder of published cases (*.json, also in subfolders) for tests/conformance; "
        "default tests/vectors",
    )
    group.addoption(
        "--baseline",
        metavar="FILE",
        help="ids of the cases that are known not to be built; default "
        "tests/conformance/not_built.txt with the committed vectors, none with others",
    )
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write tests/golden anew; read the difference before you commit it",
    )


def pytest_configure(config):
    use_memory(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """For the way of `make test`; the other ways of xdist stay as they are."""
    return scheduler(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        slowest_first(items)
