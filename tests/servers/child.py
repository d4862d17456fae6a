"""Servers in a process of their own: started by a script that prints its port, ended by us."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def child(script: str, *arguments: str, **environment: str) -> Iterator[int]:
    """The port that a Python script prints as its first line; the process ends with the block."""
    running = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
        text=True,
    )
    assert running.stdout is not None
    try:
        yield int(running.stdout.readline())
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
