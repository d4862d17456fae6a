"""`meterhouse ui` opens Dagster and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from meterhouse.cli.main import cli
from meterhouse.cli.ui import free_port

pytestmark = pytest.mark.slow


@contextmanager
def taken():
    """A port that somebody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


def wait_for(page, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(page, timeout=5) as answer:
                return answer.status
        except OSError:
            time.sleep(0.5)
    return None


def announced(log, seconds=60):
    """The port that the command says it uses instead of one that is taken."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = re.search(r"is taken; using ([0-9]+)\.", log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.2)
    return None


def child_of(pid):
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_the_page_opens_on_a_free_port_and_a_signal_ends_all_that_was_started(tmp_path):
    home = tmp_path / "home"
    assert CliRunner().invoke(cli, ["--home", str(home), "init"]).exit_code == 0
    words = [str(Path(sys.executable).with_name("meterhouse")), "--home", str(home), "ui"]
    with taken() as held, (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*words, "--port", str(held)], stdout=log, stderr=log)
        port = announced(tmp_path / "log")
    try:
        status = wait_for(f"http://127.0.0.1:{port}/")
        group = child_of(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert status == 200, (tmp_path / "log").read_text()
    deadline = time.monotonic() + 30
    while is_alive(group) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not is_alive(group)


def test_a_port_that_is_taken_gives_the_next_free_one():
    with taken() as held:
        assert held < free_port(held) < held + 50
    assert free_port(held) == held


def test_the_browser_is_opened_when_the_page_answers(tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path / "opened"}\n')
    browser.chmod(0o755)
    with taken() as port:
        page = f"http://127.0.0.1:{port}"
        code = f"from meterhouse.cli.ui import open_page; open_page({page!r}, {port})"
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "BROWSER": f"{browser} %s"},
            timeout=60,
            check=True,
        )
    assert (tmp_path / "opened").read_text().strip() == page
