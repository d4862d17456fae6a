"""`meterhouse ui` opens Dagster and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from meterhouse.cli.main import cli

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(page, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(page, timeout=5) as answer:
                return answer.status
        except OSError:
            time.sleep(0.5)
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
def test_the_page_opens_and_a_signal_ends_all_that_was_started(tmp_path):
    home = tmp_path / "home"
    assert CliRunner().invoke(cli, ["--home", str(home), "init"]).exit_code == 0
    port = free_port()
    words = [str(Path(sys.executable).with_name("meterhouse")), "--home", str(home), "ui"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*words, "--port", str(port)], stdout=log, stderr=log)
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
