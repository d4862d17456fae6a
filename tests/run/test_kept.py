"""Tables that nothing changed stand from run to run; what they are made of decides, not the day."""

from datetime import date

import pytest

from meterhouse.run.kept import BOOK, WINDOWS
from meterhouse.run.usage import VIEWS
from meterhouse.warehouse import Warehouse
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS

# A whole run judges its loads by Great Expectations, which imports a module Python 3.11 renamed.
pytestmark = [GREAT_EXPECTATIONS, pytest.mark.slow, pytest.mark.xdist_group("dbt")]
THROUGH, NEXT_DAY = date(2025, 11, 3), date(2025, 11, 4)
KEPT = ("book.contracts", "billing.charge_windows", "usage.determinants")


@pytest.fixture(scope="module")
def billed_once(book_home, tmp_path_factory):
    """A home with some usage, issued through THROUGH; every kept table has a comment."""
    home = book_home.copy(tmp_path_factory.mktemp("kept") / "home")
    home.load([request(f"k-{at}", "alpha", f"2025-10-{at}T12:00:00Z", 5) for at in (3, 9, 27)])
    home.issue(THROUGH)
    for name in KEPT:
        warehouse(home, f"comment on table {name} is 'stands'")
    return home


@pytest.fixture
def billed(billed_once, tmp_path):
    return billed_once.copy(tmp_path / "home")


def warehouse(home, sql):
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        return db.execute(sql).fetchall()


def standing(home):
    """The tables that were not made anew: one that is loses its comment."""
    rows = warehouse(home, "select schema_name || '.' || table_name, comment from duckdb_tables()")
    return {name for name, comment in rows if comment == "stands"}


def quantities(home):
    sql = "select window_id, dimensions, quantity, event_count from usage.determinants"
    return set(warehouse(home, sql))


def test_new_usage_leaves_the_book_and_the_windows_as_they_are(billed):
    old = quantities(billed)
    billed.load([request("late", "alpha", "2025-10-05T12:00:00Z", 7)])
    done = billed.issue(NEXT_DAY)
    assert standing(billed) == set(KEPT)
    new = quantities(billed)
    assert {one[0] for one in new} == {one[0] for one in old}
    assert new - old
    assert all(events > 0 for *_, events in new - old)
    pins = "select distinct run_id from ops.pins where table_name <> 'reporting.*'"
    assert warehouse(billed, pins) == [(done.run_id,)]
    billed.bill(NEXT_DAY)  # As --full does: all of them, from the book on, and the same.
    assert standing(billed) == set()
    assert quantities(billed) == new


def test_a_changed_document_makes_the_tables_of_the_book_and_the_windows_again(billed):
    billed.record(billed.changed("customer", "alpha", name="Another name"))
    billed.issue(NEXT_DAY)
    assert standing(billed) == set()


def test_windows_whose_cutting_was_interrupted_are_cut_again(billed, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    # Of a day before all others, so that the windows of the book do not reach.
    billed.load([request("early", "alpha", "2025-01-05T12:00:00Z", 7)])
    monkeypatch.setattr("meterhouse.run.windows._make_coverage", killed)
    with pytest.raises(KeyboardInterrupt):
        billed.issue(NEXT_DAY)
    monkeypatch.undo()
    assert warehouse(billed, "select step from ops.kept order by 1") == [(BOOK,), (VIEWS,)]
    billed.issue(NEXT_DAY)
    assert standing(billed) == {"book.contracts"}
    assert warehouse(billed, "select step from ops.kept order by 1") == [
        *((BOOK,), (VIEWS,), (WINDOWS,)),
    ]
    assert quantities(billed)
