"""Dagster's pages on a home: a child process on the loopback address."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.errors import Rejected

HOST = "127.0.0.1"
SECONDS_TO_END = 20


@click.command(cls=Command, short_help="Open Dagster on this home.")
@click.option("--port", default=3000, show_default=True, help="Port on the loopback address.")
@pass_app
def ui(app: App, port: int) -> None:
    """Open Dagster on this home; Ctrl-C ends it and everything it started."""
    folder = app.settings.home / "dagster"
    folder.mkdir(exist_ok=True)
    _settle(app, folder)
    app.tell(f"Dagster on {app.settings.home}: http://{HOST}:{port} (Ctrl-C ends it)")
    code = _run(command(app.settings.home, folder, port))
    if code not in (0, -signal.SIGINT, -signal.SIGTERM):
        raise Rejected(
            f"Dagster ended with code {code}; its last messages stand above. "
            f"If port {port} is taken, give another with --port."
        )


def command(home: Path, folder: Path, port: int) -> list[str]:
    """The child; `env` adds the variables, because only settings.py touches our environment."""
    return [
        *("env", f"DAGSTER_HOME={folder}", f"METERHOUSE_HOME={home}", "DO_NOT_TRACK=1"),
        *(sys.executable, "-m", "dagster", "dev", "-m", "pipelines.definitions"),
        *("-h", HOST, "-p", str(port)),
    ]


def _settle(app: App, folder: Path) -> None:
    """Our instance settings; a file that somebody changed there is kept."""
    from meterhouse.installation import PACKAGE

    target = folder / "dagster.yaml"
    if target.exists():
        return
    for source in (PACKAGE.parent / "dagster.yaml", PACKAGE / "_dagster.yaml"):
        if source.is_file():
            shutil.copyfile(source, target)
            return
    target.write_text("telemetry: {enabled: false}\n")
    app.tell("This installation carries no dagster.yaml; Dagster's own settings are used.")


def _run(words: list[str]) -> int:
    """Run in a group of its own, so that nothing it started survives it.

    A shell starts background jobs with Ctrl-C ignored, and a supervisor sends SIGTERM: both end
    the group as Ctrl-C does.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    child = subprocess.Popen(words, start_new_session=True)
    try:
        return child.wait()
    except KeyboardInterrupt:
        return _end(child)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)


def _end(child: "subprocess.Popen[bytes]") -> int:
    os.killpg(child.pid, signal.SIGINT)
    try:
        child.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return 0
