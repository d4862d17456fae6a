from typing import NamedTuple

import pytest

from meterhouse.demo.home import DemoPlan, write_home
from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.ingest import Loaded, ingest, land
from meterhouse.settings import Settings

CUSTOMERS = 40


class Demo(NamedTuple):
    """A home whose stages are all loaded, and what each gave."""

    plan: DemoPlan
    lake: Lake
    loaded: list[list[Loaded]]


@pytest.fixture(scope="session")
def plan(tmp_path_factory):
    return write_home(tmp_path_factory.mktemp("demo"), customers=CUSTOMERS)


@pytest.fixture(scope="session")
def demo(plan):
    lake = Lake(Settings.load(plan.home))
    lake.create()
    apply_book(lake)
    loaded = []
    for stage in plan.stages:
        for source, files in stage.files.items():
            land(lake, source, list(files))
        loaded.append(ingest(lake))
    return Demo(plan, lake, loaded)
