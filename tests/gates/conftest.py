from pathlib import Path
from typing import NamedTuple

import pytest

from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.bill import Billed, bill
from meterhouse.run.ingest import land
from meterhouse.settings import Settings
from tests.gates.azure import SOURCE, THROUGH, copied, new_home, shared_rows, text_of


class First(NamedTuple):
    """A home after its first run; tests that write take a copy."""

    lake: Lake
    rows: list[str]
    billed: Billed


@pytest.fixture(scope="session")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    rows = shared_rows()
    file = folder / "azure_llm_conv.csv"
    file.write_text(text_of(rows))
    lake = Lake(Settings.load(new_home(folder / "home")))
    lake.create()
    apply_book(lake)
    land(lake, SOURCE, [file])
    return First(lake, rows, bill(lake, THROUGH))


@pytest.fixture
def copy(first, tmp_path):
    """The first home, to change at will."""

    def make(name: str = "home") -> Lake:
        return copied(first.lake.settings.home, Path(tmp_path) / name)

    return make
