"""`verify` finds what is not as it was written, and says what to do about it."""

import shutil
from pathlib import Path

import duckdb
import pytest

from meterhouse.lake import Lake
from meterhouse.run.verifying import verify
from meterhouse.settings import Settings
from tests.cli.conftest import Home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]
LOOKS = ["files", "catalog", "orphans", "manifests", "documents", "warehouse", "exports"]


@pytest.fixture
def copy(billed, tmp_path):
    shutil.copytree(billed.folder, tmp_path / "home")
    return Home(tmp_path / "home")


def lake_of(home):
    return Lake(Settings.load(home.folder))


def faults_of(home, code=0):
    found = home.json("verify", code=code)
    return {
        look["name"]: [fault["found"] for fault in look["faults"]]
        for look in found["looks"]
        if look["faults"]
    }


def stored(home, table):
    (path,) = (home.folder / "lake/data/facts" / table).rglob("*.parquet")
    return path


def test_a_sound_home_passes_every_look(billed):
    found = billed.json("verify")
    assert [(look["name"], look["status"]) for look in found["looks"]] == [
        (name, "ok") for name in LOOKS
    ]
    assert found["is_damaged"] is False
    assert "Following the chain" in billed.call("verify").stderr


def test_a_flipped_bit_and_a_missing_file_end_with_6_and_name_the_files(copy):
    flipped, missing = stored(copy, "documents"), stored(copy, "billed_lines")
    content = flipped.read_bytes()
    flipped.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    missing.unlink()
    faults = faults_of(copy, code=6)
    assert list(faults) == ["files"]
    assert [name in " ".join(faults["files"]) for name in (flipped.name, missing.name)] == [
        True
    ] * 2
    told = copy.call("verify")
    assert (told.exit_code, "Restore it from a backup" in told.stdout) == (6, True)


def test_a_file_nobody_registered_is_left_over_and_no_damage(copy):
    extra = stored(copy, "documents").with_name("0000000009-killed.parquet")
    extra.write_bytes(b"x")
    faults = faults_of(copy)
    assert list(faults) == ["orphans"]
    assert extra.name in faults["orphans"][0]
    assert extra.exists()


def test_a_file_the_catalog_reads_without_a_hash_is_damage(copy):
    lake = lake_of(copy)
    path = stored(copy, "outbox")
    twin = path.with_name("0000000009-0123456789abcdef.parquet")
    shutil.copyfile(path, twin)
    with lake.session() as db:
        db.execute(
            "call ducklake_add_data_files('lake', 'outbox', ?, schema => 'facts')", [str(twin)]
        )
    faults = faults_of(copy, code=6)
    assert "no hash of it is on record" in faults["catalog"][0]


def plant(home, table, select):
    """Commit one row of a facts table as if it had been written so."""
    lake = lake_of(home)
    with lake.session() as db:
        lake.commit(db, lambda commit: commit.append(table, select), takes_number=False)


@pytest.mark.parametrize(
    ("select", "sentence"),
    [
        ("select 'r1' as run_id, '{}' as content, 'no' as content_hash", "not have its hash"),
        (
            "select 'r2' as run_id, '{}' as content, sha256('{}') as content_hash, "
            "'gone' as previous_hash",
            "its predecessor is not there",
        ),
        (
            "select 'r3' as run_id, '{}' as content, sha256('{}') as content_hash",
            "a second manifest has no predecessor",
        ),
    ],
)
def test_a_broken_chain_of_manifests_is_damage(copy, select, sentence):
    plant(copy, "manifests", select)
    assert sentence in " ".join(faults_of(copy, code=6)["manifests"])


def test_a_document_that_is_not_what_was_hashed_is_damage(copy):
    plant(
        copy,
        "documents",
        "select * exclude (batch_seq, row_no, row_hash) replace ('other' as document_id, "
        "'X-1' as number, replace(content, 'Contoso', 'Contosi') as content) "
        "from lake.facts.documents",
    )
    faults = " ".join(faults_of(copy, code=6)["documents"])
    assert "X-1: its content does not have its hash" in faults
    assert "X-1: its lines do not add up to its net" in faults


def test_a_warehouse_that_knows_more_than_the_lake_is_told_and_is_no_damage(copy):
    with duckdb.connect(str(copy.folder / "warehouse" / "warehouse.duckdb")) as db:
        db.execute("update ops.pins set known_at = 99")
    faults = faults_of(copy)
    assert list(faults) == ["warehouse"]
    assert "knows batch 99" in faults["warehouse"][0]


def test_the_doctor_looks_with_the_same_eyes(copy):
    stored(copy, "documents").with_name("0000000009-killed.parquet").write_bytes(b"x")
    found = copy.json("doctor", "--verify")["findings"]
    (orphan,) = [one for one in found if "killed" in one["found"]]
    assert (orphan["name"], orphan["status"]) == ("orphans", "warn")
    names = [look.name for look in verify(lake_of(copy))]
    assert {one["name"] for one in found} >= set(names)


def test_an_export_that_was_written_to_is_told_and_is_no_damage(copy):
    exported = copy.json("export", "--period", "2023-12")
    folder = next(one["path"] for export in exported["exports"] for one in export["folders"])
    assert faults_of(copy) == {}
    with (Path(folder) / "invoices.csv").open("a") as file:
        file.write("one more line\n")
    faults = faults_of(copy)
    assert list(faults) == ["exports"]
    assert "invoices.csv" in faults["exports"][0]
