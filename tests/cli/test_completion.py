"""A shell completes commands, formats and the names a home knows."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from meterhouse.cli.main import cli


def completed(home, *words):
    """What a shell would offer for the last word."""
    *before, last = ["--home", str(home.folder), *words]
    complete = ShellComplete(cli, {}, "meterhouse", "_METERHOUSE_COMPLETE")
    return [item.value for item in complete.get_completions(before, last)]


def call(*words, **options):
    return CliRunner().invoke(cli, list(words), **options)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_our_program(shell):
    done = call("completion", shell)
    assert done.exit_code == 0
    assert f"_METERHOUSE_COMPLETE={shell}_complete" in done.stdout


def test_bash_takes_the_script():
    done = subprocess.run(
        ["bash", "-n"], input=call("completion", "bash").stdout, text=True, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_line_is_added_to_the_start_file_once_and_only_when_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    start = tmp_path / ".bashrc"
    start.write_text("alias a=b")
    refused = call("completion", "bash", "--install")
    assert (refused.exit_code, "nobody can be asked here" in refused.stderr) == (2, True)
    assert call("completion", "bash", "--dry-run").exit_code == 0
    assert start.read_text() == "alias a=b"
    assert call("completion", "bash", "--install", "--yes").exit_code == 0
    text = start.read_text()
    assert text.startswith("alias a=b\n")
    assert '\neval "$(_METERHOUSE_COMPLETE=bash_source meterhouse)"\n' in text
    again = call("completion", "bash", "--install", "--yes")
    assert "nothing was changed" in again.stdout
    assert start.read_text() == text


def test_fish_gets_a_file_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert call("completion", "fish", "--install", "--yes").exit_code == 0
    written = tmp_path / ".config" / "fish" / "completions" / "meterhouse.fish"
    assert written.read_text() == call("completion", "fish").stdout.removesuffix("\n")


def test_names_of_the_settings_and_choices_are_completed(begun):
    assert completed(begun, "ingest", "--source", "") == ["azure"]
    assert completed(begun, "sql", "--format", "c") == ["csv"]
    assert completed(begun, "quar") == ["quarantine"]
    assert sorted(completed(begun, "quarantine", "re")) == ["refuse", "retry"]


def test_a_home_that_cannot_be_read_completes_nothing_and_says_nothing(begun, capfd):
    (begun.folder / "meterhouse.yaml").write_text("sources: [")
    assert completed(begun, "ingest", "--source", "") == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_numbers_drafts_and_failed_checks_are_completed(billed):
    assert completed(billed, "explain", "acme") == ["acme-ai-2023-000001"]
    (waiting,) = billed.json("invoices", "list", "--state", "waiting")["invoices"]
    assert waiting["id"][:8] in completed(billed, "invoices", "approve", "")
    assert "quarantine_is_empty" in completed(billed, "checks", "waive", "")


@pytest.mark.slow
def test_the_shell_is_answered_by_the_installed_program(begun):
    done = subprocess.run(
        [str(Path(sys.executable).with_name("meterhouse"))],
        env={
            "_METERHOUSE_COMPLETE": "bash_complete",
            "COMP_WORDS": f"meterhouse --home {begun.folder} ingest --source az",
            "COMP_CWORD": "5",
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["plain,azure"]
