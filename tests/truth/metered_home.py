"""A home that measures: what arrives is loaded at a given time, and determinants are read."""

import os
import shutil
from contextlib import contextmanager
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.bill import begin
from meterhouse.run.ingest import ingest
from meterhouse.run.steps import cut, fold
from meterhouse.settings import Settings
from meterhouse.warehouse import Warehouse
from tests.truth.meter_oracle import live, measure_slots
from tests.truth.metered_world import charged, line

SETTINGS = {
    "future_tolerance_hours": 24 * 366 * 100,
    "sources": {
        "api": {"map": {"action": {"column": "action"}}},
        "restated": {"on_conflict": "supersede"},
    },
}


class Key(NamedTuple):
    """What one determinant is of."""

    contract: str
    item: str
    start: date
    end: date
    dimensions: str


class MeteredHome:
    """One home with the book of a world."""

    def __init__(self, path: Path, documents: list[dict]) -> None:
        self.path = path
        path.mkdir(parents=True)
        self._write("meterhouse.yaml", [SETTINGS])
        self.files = 0
        self.lake.create()
        self.record(documents)

    @property
    def lake(self):
        return Lake(Settings.load(self.path))

    def record(self, documents):
        (self.path / "book").mkdir(exist_ok=True)
        self._write("book/all.yaml", documents)
        apply_book(self.lake)

    def load(self, batch):
        """What arrives together, one file for each source, received at the batch's time."""
        self.files += 1
        for source in SETTINGS["sources"]:
            lines = [line(event) for event in batch.events if event.source == source]
            if lines:
                folder = self.path / "landing" / source
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{self.files:04d}.ndjson").write_text("\n".join([*lines, ""]))
        with _present(batch.now):
            return [one for one in ingest(self.lake) if one.batch_seq is not None]

    def measure(self, through):
        """One run up to determinants; their rows, in order."""
        lake = self.lake
        with lake.run_lock.held(), begin(lake, through, None, False) as (run, why_dry):
            assert why_dry == ""
            with run.warehouse.connect(run.pin, run.known_at) as db:
                _, fold_from = cut(run, db)
            fold(run, fold_from)
        with Warehouse(lake).connect(lake.head()) as db:
            return db.sql("from usage.determinants order by all").pl().to_dicts()

    def forget(self):
        """Delete all that is derived."""
        shutil.rmtree(self.path / "warehouse")

    def _write(self, name, documents):
        with (self.path / name).open("w") as file:
            YAML().dump_all(documents, file)


@contextmanager
def _present(now):
    """The present as the settings read it, for as long as it lasts."""
    before = os.environ.get("METERHOUSE_NOW")
    os.environ["METERHOUSE_NOW"] = now.isoformat()
    try:
        yield
    finally:
        os.environ.pop("METERHOUSE_NOW")
        if before is not None:
            os.environ["METERHOUSE_NOW"] = before


def found(rows, through):
    """Of each determinant whether anything was measured, and the quantity.

    Windows that start later are there only as far as events reach.
    """
    return {
        Key(
            row["contract_id"],
            row["item_id"],
            row["window_start_on"],
            row["window_end_on"],
            row["dimensions"],
        ): (row["is_measured"], Fraction(row["quantity"]))
        for row in rows
        if row["window_start_on"] < through
    }


def expected(world, arrived, through):
    """The same, by the oracle."""
    events = live(arrived, ("restated",))
    made = {}
    for contract in world.contracts:
        for start, end, of_window in charged(contract, through):
            for item in contract["items"]:
                slots, customer = world.meters[item["meter"]], contract["customer"]
                for dimensions, one in measure_slots(events, slots, of_window, customer).items():
                    key = Key(contract["id"], item["id"], start, end, dimensions)
                    made[key] = (one.value is not None, one.quantity)
    return made
