"""A customer's pack: what a total is made of, checked with nothing but DuckDB and the folder."""

import json
import shutil
import subprocess
import sys

import polars as pl
import pytest

from meterhouse.errors import UsageError
from meterhouse.run.packing import check, pack
from tests.truth.harness import GREAT_EXPECTATIONS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
EVENTS = "The events are the ones of the manifest, in their order."
QUANTITY = "Lines that add up events have their sum as quantity."
NET = "The lines add up to the net amount."
ALONE = """
import duckdb
print(all(row[1] for row in duckdb.execute(open('check.sql').read()).fetchall()))
"""


@pytest.fixture(scope="module")
def packed(in_october, tmp_path_factory):
    """The pack of the document with the most events."""
    rows = in_october.rows(
        "select number from facts.documents join facts.billed_determinants using (document_id) "
        "group by number order by sum(event_count) desc, number limit 1"
    )
    return pack(in_october.lake, rows[0][0], tmp_path_factory.mktemp("packs") / "one")


@pytest.fixture
def copied(packed, tmp_path):
    shutil.copytree(packed.folder, tmp_path / "copy")
    return tmp_path / "copy"


def failing(folder):
    return [one.claim for one in check(folder).claims if not one.holds]


def changed(path, **columns):
    pl.read_parquet(path).with_columns(**columns).write_parquet(path)


def test_all_claims_of_a_pack_hold_and_count_something(packed):
    assert packed.holds
    counted = {one.claim: one.stated for one in packed.claims}
    assert int(counted[QUANTITY].split()[0]) > 0
    assert pl.read_parquet(packed.folder / "events.parquet").height > 0
    document = json.loads((packed.folder / "document.json").read_text())
    assert float(counted[NET]) == float(document["net"])


def test_the_query_needs_nothing_but_duckdb_and_the_folder(copied):
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE], cwd=copied, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


def test_an_event_that_was_changed_breaks_the_chain(copied):
    changed(copied / "events.parquet", event_id=pl.col("event_id") + "x")
    assert EVENTS in failing(copied)


def test_a_quantity_that_was_changed_is_not_the_sum_of_its_events(copied):
    changed(copied / "lines.parquet", quantity=pl.col("quantity") + 1)
    assert QUANTITY in failing(copied)


def test_an_amount_that_was_changed_does_not_add_up(copied):
    changed(copied / "lines.parquet", amount=pl.col("amount") + 1)
    assert NET in failing(copied)


def test_a_folder_that_is_no_pack_is_told(tmp_path):
    with pytest.raises(UsageError, match="is no pack that can be read"):
        check(tmp_path)


def test_a_number_that_is_not_there_writes_nothing(in_october, tmp_path):
    with pytest.raises(UsageError, match="No document has the number X-1"):
        pack(in_october.lake, "X-1", tmp_path / "pack")
    assert not (tmp_path / "pack").exists()
