"""Dagster's pages on a home: a child process on the loopback address."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import webbrowser
from pathlib import Path
from socket import create_connection, socket

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.errors import Rejected, UsageError

HOST = "127.0.0.1"
SECONDS_TO_END = 20
PORTS_TO_TRY = 50
SECONDS_TO_OPEN = 120


@click.command(cls=Command, short_help="Open Dagster on this home.")
@click.option("--port", default=3000, show_default=True, help="Port on the loopback address.")
@click.option("--open", "with_browser", is_flag=True, help="Open the page in a browser.")
@pass_app
def ui(app: App, port: int, with_browser: bool) -> None:
    """Open Dagster on this home; Ctrl-C ends it and everything it started.

    If the port is taken, the next free one is used and printed.
    """
    folder = app.settings.home / "dagster"
    folder.mkdir(exist_ok=True)
    _settle(app, folder)
    wanted, port = port, free_port(port)
    if port != wanted:
        app.tell(f"Port {wanted} is taken; using {port}.")
    page = f"http://{HOST}:{port}"
    app.tell(f"Dagster on {app.settings.home}: {page} (Ctrl-C ends it)")
    if with_browser:
        threading.Thread(target=open_page, args=(page, port), daemon=True).start()
    code = _run(command(app.settings.home, folder, port))
    if code not in (0, -signal.SIGINT, -signal.SIGTERM):
        raise Rejected(
            f"Dagster ended with code {code}; its last messages stand above. "
            f"If port {port} was taken meanwhile, give another with --port."
        )


def free_port(first: int) -> int:
    """The first port from `first` on that nobody listens on."""
    for port in range(first, min(first + PORTS_TO_TRY, 65_536)):
        with socket() as trial, contextlib.suppress(OSError):
            trial.bind((HOST, port))
            return int(trial.getsockname()[1])
    raise UsageError(
        f"No port from {first} to {first + PORTS_TO_TRY - 1} is free on {HOST}; nothing was "
        "started. Give another with --port."
    )


def open_page(page: str, port: int) -> None:
    """Open the page when it answers; a machine without a browser opens none."""
    for _ in range(SECONDS_TO_OPEN):
        with contextlib.suppress(OSError), create_connection((HOST, port), 1):
            webbrowser.open(page)
            return
        time.sleep(1)


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
