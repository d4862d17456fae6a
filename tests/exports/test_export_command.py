"""The command `export`: what it says, which period it takes, and how it ends."""

import json

import pytest
from click.testing import CliRunner

from meterhouse.cli.main import cli
from tests.exports.conftest import NOVEMBER, OCTOBER, contents, export

pytestmark = pytest.mark.slow


def call(home, *words):
    return CliRunner().invoke(
        cli, ["--home", str(home.path), "export", *map(str, words)], prog_name="meterhouse"
    )


def test_a_month_is_written_to_a_folder_and_shown_with_its_totals(exported, tmp_path):
    done = call(exported, "--period", "2025-11", "--entity", "us", "--to", tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"us: written, as of batch {exported.lake.head().batch_seq}" in done.stdout
    row = next(line for line in done.stdout.splitlines() if "invoices.csv" in line)
    assert row.split()[:3] == ["invoices.csv", "invoices", "4"]
    assert contents(tmp_path / "us/2025-11") == contents(exported.path / "exports/us/2025-11")


def test_json_gives_folders_files_and_totals(exported, tmp_path):
    words = ("--from", "2025-11-01", "--until", "2025-11-16", "--format", "csv,hledger")
    done = call(exported, *words, "--to", tmp_path, "--json")
    found = json.loads(done.stdout)
    assert found["meterhouse"] == 1
    (period,) = found["exports"]
    assert (period["first"], period["until"]) == ("2025-11-01", "2025-11-16")
    assert [one["entity"] for one in period["folders"]] == ["jp", "kw", "us"]
    files = period["folders"][1]["files"]
    assert set(files) == {"invoices.csv", "lines.csv", "entries.csv", "ledger.hledger"}
    assert files["invoices.csv"]["tables"]["invoices"]["totals"]["KWD"]["net"] == "14.947"


def test_without_a_period_each_entity_exports_its_own_last_month(exported, tmp_path, monkeypatch):
    """At 20:00 UTC on 30 November it is December in Tokyo and November in New York."""
    monkeypatch.setenv("METERHOUSE_NOW", "2025-11-30T20:00:00+00:00")
    assert call(exported, "--to", tmp_path, "--format", "csv").exit_code == 0
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*"))
    assert found == ["jp/2025-11", "kw/2025-10", "us/2025-10"]


def test_verify_ends_with_6_and_names_the_file_that_differs(october):
    for period in (OCTOBER, NOVEMBER):
        export(october, period)
    assert call(october, "verify", "--all").exit_code == 0
    damaged = october.path / "exports/kw/2025-11/lines.csv"
    damaged.write_bytes(damaged.read_bytes() + b"x")
    done = call(october, "verify", "--all")
    assert done.exit_code == 6
    assert "lines.csv has" in done.stdout
    assert done.stdout.count("as its manifest says") == 5
    assert "export the period again" in done.stderr
    assert call(october, "verify", damaged.parent, "--json").exit_code == 6
    assert call(october, "verify", october.path / "exports/us/2025-10").exit_code == 0
    assert call(october, "verify", october.path / "nowhere").exit_code == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--period", "2025-13"], "is not a month"),
        (["--period", "2025-10", "--from", "2025-10-01", "--until", "2025-10-02"], "Give --period"),
        (["--from", "2025-10-01"], "Give --period"),
        (["--period", "2025-10", "--format", "pdf"], "pdf is no format"),
        (["verify"], "Name the folders"),
    ],
)
def test_a_call_that_cannot_work_ends_with_2(exported, words, said):
    done = call(exported, *words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_a_folder_inside_the_lake_is_refused(exported):
    done = call(exported, "--period", "2025-10", "--to", exported.path / "lake" / "x")
    assert done.exit_code == 2
    assert "keeps for itself" in " ".join(done.stderr.split())


def test_a_place_that_cannot_be_a_folder_ends_in_a_sentence(exported, tmp_path):
    (tmp_path / "file").write_text("")
    done = call(exported, "--period", "2025-10", "--to", tmp_path / "file")
    assert done.exit_code not in (0, 70)
    assert str(tmp_path / "file") in done.stderr.replace("\n", "")
