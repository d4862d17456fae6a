import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from meterhouse.lake import Lake
from meterhouse.run.book import flatten
from meterhouse.run.context import Run
from meterhouse.run.dbt import parsed
from meterhouse.run.marts import build_marts
from meterhouse.run.planning import plan_fold
from meterhouse.run.usage import fold_usage
from meterhouse.run.windows import make_windows
from meterhouse.schema import FACTS
from meterhouse.settings import HomeFile, Settings
from meterhouse.warehouse import Warehouse
from tests.dbt.facts import BATCH, BOOK, EVENTS, ISSUED, QUARANTINED

THROUGH = date(2024, 4, 1)
DERIVED = ("lake", "warehouse")


@dataclass
class House:
    """A home, and a copy of it to go back to: dbt parses once per home, so tests share one."""

    settings: Settings
    copy: Path

    @property
    def lake(self):
        return Lake(self.settings)

    def append(self, **rows):
        """Commit rows of facts tables; `batch_seq` is the commit's number."""
        with self.lake.session() as db:
            return self.lake.commit(
                db, lambda commit: [_append(commit, table, rows[table]) for table in rows]
            )

    def run(self):
        """What a run knows now, with the tables that the models read before dbt is called."""
        lake = self.lake
        pin = lake.head()
        run = Run(Warehouse(lake), THROUGH, pin, pin.batch_seq, False)
        with run.warehouse.connect(pin) as db:
            flatten(db)
            db.execute("delete from ops.run")
            db.execute(
                "insert into ops.run values (?, ?, ?, ?)",
                [run.run_id, THROUGH, run.known_at, pin.snapshot],
            )
        return run

    def fold(self):
        """Build the usage models."""
        run = self.run()
        with run.warehouse.connect(run.pin) as db:
            make_windows(run, db)
            fold_from = plan_fold(run, db)
        fold_usage(run, fold_from)

    def build(self):
        """Build the marts and their tests; raises DbtFailed with the names of what failed."""
        run = self.run()
        build_marts(run)
        return run

    def rows(self, select):
        """The rows of a SELECT on the warehouse, as dictionaries."""
        run = self.run()
        with run.warehouse.connect(run.pin) as db:
            return db.sql(select).pl().to_dicts()

    def save(self):
        """Remember the home as it is."""
        for name in DERIVED:
            shutil.copytree(self.settings.home / name, self.copy / name)

    def restore(self):
        """Go back to what was saved."""
        for name in DERIVED:
            shutil.rmtree(self.settings.home / name)
            shutil.copytree(self.copy / name, self.settings.home / name)


def _append(commit, table, rows):
    """Rows with any of the table's columns, as texts in its types."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    casts = ", ".join(f"cast(? as {FACTS[table][name]}) as {name}" for name in columns)
    select = " union all ".join(f"select {casts}" for _ in rows)
    commit.append(table, select, [row.get(name) for row in rows for name in columns])


@pytest.fixture(scope="session")
def sound_house(tmp_path_factory):
    """A home with a book, usage, two issued documents and every model built."""
    home, copy = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("copy")
    house = House(Settings(home, HomeFile()), copy)
    house.lake.create()
    house.append(book_versions=BOOK)
    house.append(usage_events=EVENTS, rejected_events=[QUARANTINED], batches=[BATCH])
    house.append(**ISSUED)
    house.fold()
    house.build()
    house.save()
    return house


@pytest.fixture
def house(sound_house):
    """The sound house, to be spoilt: it is restored afterwards."""
    yield sound_house
    sound_house.restore()


@pytest.fixture(scope="session")
def manifest(sound_house):
    """The parsed project."""
    return parsed(sound_house.settings)
