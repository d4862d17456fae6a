"""What a wrong call gets: a sentence, an exit code and nothing changed."""

import fcntl
import json
import subprocess
import sys
import textwrap

import click
import pytest
from click.testing import CliRunner

from meterhouse.cli.faults import fault_of
from meterhouse.cli.main import cli
from meterhouse.cli.tables import clean
from meterhouse.cli.values import grouped, json_text, money_text, number_text
from meterhouse.errors import Busy, ChecksFailed, Corrupt, MeterhouseError, Rejected


def test_help_imports_no_engine():
    code = textwrap.dedent(
        """
        import sys
        from meterhouse.cli.main import cli
        try:
            cli(["--help"])
        except SystemExit as end:
            assert end.code == 0
        heavy = {"dagster", "dbt", "duckdb", "polars", "pyarrow", "numpy", "pydantic", "rich"}
        print(sorted(heavy & set(sys.modules)), file=sys.stderr)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"
    for name in ("init", "doctor", "plan", "apply", "ingest", "run", "invoices", "explain"):
        assert f"\n  {name} " in done.stdout


def test_the_installed_command_ends_with_the_exit_code_of_the_error(tmp_path):
    words = [sys.executable, "-c", "from meterhouse.cli.main import main; main()"]
    done = subprocess.run(
        [*words, "--home", str(tmp_path), "plan"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a Meterhouse home" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_an_object_for_who_asked_for_json(tmp_path):
    done = CliRunner().invoke(cli, ["--home", str(tmp_path), "plan", "--json"])
    error = json.loads(done.stdout)["error"]
    assert done.exit_code == 2
    assert (error["type"], error["exit_code"]) == ("UsageError", 2)
    assert "meterhouse.yaml" in error["message"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["aply"], "did you mean 'apply'?"),
        (["invoces", "list"], "did you mean 'invoices'?"),
        (["quarantine", "shw"], "did you mean 'show'?"),
        (["sql", "--format", "tabel", "from a"], "did you mean 'table'?"),
        (["rebuild", "--from", "event", "x"], "did you mean 'events'?"),
        (["completion", "bsh"], "did you mean 'bash'?"),
        (["ingest", "--source", "azur"], "did you mean 'azure'? Known sources: azure"),
        (["ingest", "--source", "azur", "--dry-run"], "did you mean 'azure'?"),
        (["quarantine", "list", "--source", "azur"], "did you mean 'azure'?"),
        (["quarantine", "show", "x"], "give batch-row, like 12-3"),
        (["quarantine", "show", "9-9"], "No event was quarantined as 9-9"),
        (["close", "--until", "2024-01-01", "--entity", "x"], "is not in the book"),
        (["expectations", "shw"], "did you mean 'show'?"),
        (["run", "--trough", "2023-12-01"], "did you mean '--through'?"),
        (["run", "--through", "01/12/2023"], "write year-month-day, like 2023-12-01"),
        (["run", "--through", "2023-02-30"], "is not a date"),
        (["run"], "Missing option '--through'"),
        (["ingest", "x.csv", "--source", "nope"], "Known sources: azure"),
        (["ingest", "nowhere.csv", "--source", "azure"], "No such file: nowhere.csv"),
        (["invoices", "show", "X-1"], "names no issued document and no draft"),
        (["invoices", "approve"], "or give --all"),
        (["explain", "X-1"], "No document has the number 'X-1'"),
        (["rebuild"], "or give --all"),
        (["quarantine", "refuse", "x", "--reason", "r"], "give batch-row, like 12-3"),
        (["conflicts", "keep", "x", "--reason", "r"], "give batch-row, like 12-3"),
        (["checks", "list"], "No run has been made yet"),
        (["sql", "select 1"], "Nothing has been published yet"),
        (["init", "--example", "azur"], "Examples: azure"),
        (["apply"], "nobody can be asked here"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_what_to_do(begun, words, sentence):
    done = begun.call(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr


def test_files_are_refused_when_their_source_is_not_clear(begun):
    settings = begun.folder / "meterhouse.yaml"
    settings.write_text(settings.read_text().replace("sources:", "sources:\n  other: {}"))
    done = begun.call("ingest", settings)
    assert done.exit_code == 2
    assert "Known sources: azure, other" in done.stderr
    assert not list(begun.folder.glob("landing/*/*"))


def test_a_fault_of_the_book_names_its_file_and_records_nothing(begun):
    path = begun.folder / "book" / "bad.yaml"
    path.write_text("kind: customer\nid: bad\nnome: X\n")
    for command in (["plan"], ["apply", "--yes"]):
        done = begun.call(*command)
        assert done.exit_code == 2
        assert "bad.yaml" in done.stderr
        assert "nome" in done.stderr
    path.unlink()
    assert begun.json("plan")["counts"]["new"] == 7


def test_a_home_made_twice_is_not_changed(begun):
    before = {path: path.stat().st_mtime_ns for path in begun.folder.rglob("*.yaml")}
    again = begun.json("init", "--example", "azure")
    assert again["made"] == []
    assert {path: path.stat().st_mtime_ns for path in begun.folder.rglob("*.yaml")} == before


def test_the_template_of_the_settings_is_one_that_is_taken(tmp_path):
    runner = CliRunner()
    assert runner.invoke(cli, ["--home", str(tmp_path / "h"), "init"]).exit_code == 0
    done = runner.invoke(cli, ["--home", str(tmp_path / "h"), "--json", "doctor"])
    (home,) = [one for one in json.loads(done.stdout)["findings"] if one["name"] == "home"]
    assert (home["status"], "sources: none" in home["found"]) == ("ok", True)
    empty = runner.invoke(cli, ["--home", str(tmp_path / "h"), "plan"])
    assert (empty.exit_code, "holds no documents" in empty.stderr) == (2, True)


def test_a_lock_that_is_held_ends_with_5_and_the_doctor_names_its_holder(begun, monkeypatch):
    monkeypatch.setenv("METERHOUSE_LOCK_WAIT", "0")
    with (begun.folder / "locks" / "write.lock").open("r+") as file:
        file.truncate(0)
        file.write("4711")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        done = begun.call("apply", "--yes")
        assert (done.exit_code, "held by process 4711" in done.stderr) == (5, True)
        found = begun.json("doctor")["findings"]
    (lock,) = [one for one in found if one["name"] == "write lock"]
    assert (lock["status"], lock["found"]) == ("warn", "held by process 4711")


def test_the_doctor_looks_at_the_installation_also_without_a_home(tmp_path):
    done = CliRunner().invoke(cli, ["--home", str(tmp_path), "doctor", "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [one["name"] for one in found["findings"] if one["status"] == "fail"] == ["home"]


@pytest.mark.parametrize(
    ("error", "code", "part"),
    [
        (MeterhouseError("m"), 1, "m"),
        (Rejected("no"), 1, "no"),
        (ChecksFailed(["a", "b"]), 3, "a\nb"),
        (Busy("run", 60, "process 1"), 5, "process 1"),
        (Corrupt("a.parquet", "why"), 6, "Restore"),
        (OSError(28, "No space left on device", "f"), 1, "No space left on device (f)"),
        (click.Abort(), 130, "Stopped"),
        (KeyboardInterrupt(), 130, "Stopped"),
        (ValueError("odd"), 70, "--debug"),
    ],
)
def test_every_exception_has_a_sentence_and_a_code(error, code, part):
    fault = fault_of(error)
    assert fault.exit_code == code
    assert part in fault.message


def test_a_database_file_held_by_another_program_may_be_retried():
    import duckdb

    fault = fault_of(duckdb.IOException("IO Error: Could not set lock on file"))
    assert (fault.exit_code, "DuckDB shell" in fault.message) == (5, True)
    assert fault_of(duckdb.OutOfMemoryException("x")).exit_code == 1


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("14.580000000000000000", "USD", "14.58"),
        ("1500.000", "JPY", "1500"),
        ("1.5", "KWD", "1.500"),
        ("-0.050", "EUR", "-0.05"),
        (None, "EUR", "-"),
    ],
)
def test_money_has_the_places_of_its_currency(amount, currency, text):
    assert money_text(amount, currency) == text


def test_numbers_are_grouped_for_people_and_plain_for_machines():
    assert [grouped(t) for t in ("1234567.80", "-1234", "-0.05", "-")] == [
        *("1,234,567.80", "-1,234", "-0.05", "-")
    ]
    assert number_text("1E+3") == "1000"
    assert json_text({"a": [None, True]}).count("\n") == 5


def test_control_characters_of_data_are_written_out():
    assert clean("a\x1b[31mb\n") == "a\\x1b[31mb\n"
