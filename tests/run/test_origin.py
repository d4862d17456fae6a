"""A warehouse is of one lake, of states that the lake had, and of one code."""

import shutil
from datetime import date

import pytest

from meterhouse.run import origin
from meterhouse.run.bill import bill
from meterhouse.run.origin import OtherLake
from meterhouse.warehouse import Warehouse
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS

# A whole run judges its loads by Great Expectations, which imports a module Python 3.11 renamed.
pytestmark = [GREAT_EXPECTATIONS, pytest.mark.slow, pytest.mark.xdist_group("dbt")]
THROUGH, NEXT_DAY = date(2025, 11, 3), date(2025, 11, 4)


@pytest.fixture(scope="module")
def backed_up(book_home, tmp_path_factory):
    """A home that was billed, and a copy of its lake from before the last load."""
    home = book_home.copy(tmp_path_factory.mktemp("origin") / "home")
    home.load([request("first", "alpha", "2025-10-03T12:00:00Z", 5)])
    backup = home.lake.settings.home.parent / "backup"
    shutil.copytree(home.lake.settings.home / "lake", backup)
    home.load([request("second", "alpha", "2025-10-04T12:00:00Z", 7)])
    home.issue(THROUGH)
    return home, backup


@pytest.fixture
def restored(backed_up, tmp_path):
    """The home after its lake was restored from the backup; its warehouse knows more."""
    home, backup = backed_up[0].copy(tmp_path / "home"), backed_up[1]
    folder = home.lake.settings.home / "lake"
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    return home


def usage(home):
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        counts = "select distinct sum(event_count) from usage.daily group by meter_id"
        return [int(row[0]) for row in db.execute(counts).fetchall()]


def test_a_restored_lake_is_refused_before_anything_is_read(restored):
    before = restored.lake.head()
    with pytest.raises(OtherLake, match="Nothing was run"):
        bill(restored.lake, NEXT_DAY)
    assert restored.lake.head() == before


def test_a_restored_lake_that_went_on_is_refused_whatever_its_numbers(restored):
    for name in ("third", "fourth", "fifth", "sixth"):
        restored.load([request(name, "alpha", "2025-10-05T12:00:00Z", 1)])
    with pytest.raises(OtherLake):
        restored.issue(NEXT_DAY)


@pytest.mark.soak
def test_without_the_old_warehouse_the_restored_lake_is_billed(restored):
    shutil.rmtree(restored.lake.settings.warehouse.parent)
    restored.issue(NEXT_DAY)  # The second file still lies where it landed, and is read again.
    assert usage(restored) == [2]


@pytest.mark.soak
def test_other_code_reads_again_what_was_folded(backed_up, tmp_path):
    home = backed_up[0].copy(tmp_path / "home")
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        db.execute("update usage.daily set event_count = 40")  # As another release counted them.
        db.execute("update ops.lake set code = 'that of another release'")
    home.issue(NEXT_DAY)
    assert usage(home) == [2]


def test_the_same_code_leaves_the_warehouse_as_it_is(backed_up):
    assert not origin.remove_other_code(Warehouse(backed_up[0].lake))
    assert Warehouse(backed_up[0].lake).path.exists()
