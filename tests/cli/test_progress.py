"""What a person sees while long work is done, and what is left when it is stopped."""

import os
import pty
import signal
import subprocess
import sys

import pytest

from meterhouse.cli.app import App
from meterhouse.cli.faults import fault_of
from meterhouse.cli.progress import Silent, Stopped, rate, seconds, stoppable
from meterhouse.errors import UsageError

WORDS = [sys.executable, "-c", "from meterhouse.cli.main import main; main()"]


def test_seconds_and_rates_are_told_in_words():
    assert [seconds(n) for n in (0, 99_999_999, 1_260_000_000)] == ["0.0", "0.0", "1.2"]
    assert rate(1_000, 500_000_000) == "1,000 rows in 0.5 s, 2,000 rows/s"
    assert rate(3, 5) == "3 rows in 0.0 s"


def test_without_a_terminal_there_is_one_line_for_each_stage(capsys):
    with App().working("First", "Left.") as work:
        work.stage("Second")
        work.rows("file.csv: 2 accepted", 2)
    lines = capsys.readouterr().err.splitlines()
    assert "First" in work.took
    assert [line.split(" s  ")[1].split(" in ")[0] for line in lines] == [
        *("First", "Second", "file.csv: 2 accepted, 2 rows")
    ]


@pytest.mark.parametrize("app", [App(as_json=True), App(is_quiet=True)], ids=["json", "quiet"])
def test_json_and_quiet_show_no_progress(app, capsys):
    with app.working("First", "Left.") as work:
        work.stage("Second")
        work.rows("x", 2)
        app.progress("Third")
    assert capsys.readouterr() == ("", "")


def stop(raised):
    """Ctrl-C inside a library, which lets it through or makes another error of it."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        if raised is not None:
            raise raised from None
        raise


@pytest.mark.parametrize("raised", [None, RuntimeError("Query interrupted")])
def test_a_stop_says_what_is_left_whatever_the_library_made_of_it(raised):
    before = signal.getsignal(signal.SIGINT)
    stopped = pytest.raises(Stopped, match=r"Stopped\. The file stays\.")
    with stopped as caught, stoppable(Silent(), "The file stays."):
        stop(raised)
    assert signal.getsignal(signal.SIGINT) is before
    fault = fault_of(caught.value)
    assert (fault.exit_code, fault.message.startswith("Stopped. The file stays.")) == (130, True)


def test_an_error_that_nobody_caused_by_stopping_stays_that_error():
    with pytest.raises(ValueError, match="odd"), stoppable(Silent(), "Left."):
        raise ValueError("odd")


def test_what_cannot_be_undone_is_not_done_where_nobody_can_be_asked():
    with pytest.raises(UsageError, match="Give --yes to do it"):
        App(as_json=True).ask("3 drafts would be issued", yes=False)
    assert App().ask("3 drafts would be issued", yes=True) is None


def on_terminal(*words):
    """Exit code, what a terminal on stderr showed, and stdout of the command."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*WORDS, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    try:
        while part := _read(ours):
            shown += part
    finally:
        os.close(ours)
        printed = child.communicate(timeout=120)[0]
    return child.returncode, shown.decode(), printed.decode()


def _read(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:  # The other end was closed.
        return b""


@pytest.mark.slow
def test_a_terminal_sees_the_stage_at_once_and_stdout_stays_clean(begun):
    usage = begun.folder / "usage.csv"
    usage.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.1,3,4\n")
    assert begun.call("apply", "--yes").exit_code == 0
    code, shown, printed = on_terminal(
        *("--home", begun.folder, "ingest", usage, "--source", "azure")
    )
    assert code == 0
    first = shown.replace("\r", "\n").splitlines()
    assert any("Looking at what waits" in line for line in first[:3]), shown
    assert "usage.csv: 1 accepted, 1 rows in" in shown
    assert "Loading" in shown
    assert "usage.csv" in printed
    assert "\x1b" not in printed
    assert "Looking at what waits" not in printed


@pytest.mark.slow
def test_a_terminal_is_told_why_a_command_failed_and_where_to_read(tmp_path):
    code, shown, printed = on_terminal("--home", tmp_path, "run", "--through", "2023-12-01")
    assert (code, printed) == (2, "")
    assert "is not a Meterhouse home" in " ".join(shown.split())
    assert "docs: errors.md#usageerror" in shown


@pytest.mark.slow
def test_ctrl_c_ends_a_run_with_130_and_a_sentence(begun):
    assert begun.call("apply", "--yes").exit_code == 0
    child = subprocess.Popen(
        [*WORDS, "--home", str(begun.folder), "run", "--through", "2023-12-01"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "Opening the home" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    printed, told = child.communicate(timeout=120)
    assert (child.returncode, printed) == (130, ""), told
    assert "Stopped. Files that were loaded and documents that were issued stay" in told
    assert "Traceback" not in told
    assert "docs: errors.md#stopped" in told
    assert begun.json("verify")["is_damaged"] is False


@pytest.mark.slow
def test_a_run_tells_its_stages_and_how_fast_it_loaded_what_had_landed(begun):
    assert begun.call("apply", "--yes").exit_code == 0
    landed = begun.folder / "landing" / "azure" / "usage.csv"
    landed.parent.mkdir(parents=True, exist_ok=True)
    landed.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.1,3,4\n")
    done = begun.call("run", "--through", "2023-12-01")
    assert done.exit_code == 0, done.stderr
    stages = [line.split(" s  ")[-1] for line in done.stderr.splitlines()]
    assert stages.index("Opening the home") < stages.index("Folding usage")
    assert any(line.startswith("Loaded 1 rows in ") for line in stages)
    silent = begun.call("--quiet", "run", "--through", "2023-12-01")
    assert (silent.exit_code, silent.stderr) == (0, "")
