import pytest

from meterhouse.lake import Lake
from meterhouse.settings import HomeFile, Settings


@pytest.fixture
def lake(tmp_path):
    made = Lake(Settings(tmp_path / "home", HomeFile()))
    made.create()
    return made
