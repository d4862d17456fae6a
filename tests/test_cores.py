"""Workers keep to cores of their own, and connections to the cores that a process may use."""

import os
import subprocess
import sys

import pytest

CHILD = """
import os
os.sched_setaffinity(0, {cores})
from tests.cores import keep_to_own_cores
keep_to_own_cores({environment})
from meterhouse.duck import usable_cores
print(sorted(os.sched_getaffinity(0)), usable_cores())
"""


def told(cores, environment):
    code = CHILD.format(cores=cores, environment=environment)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux keeps to cores")
def test_a_worker_keeps_to_its_share_of_the_cores_and_so_do_its_connections():
    # What this worker may use itself is less than what the machine has.
    mine = sorted(os.sched_getaffinity(0))[:1]
    assert told(set(mine), {}) == f"{mine} 1"
    for worker in ("gw0", "gw1"):
        of = {"PYTEST_XDIST_WORKER": worker, "PYTEST_XDIST_WORKER_COUNT": "2"}
        # One core for two workers: the second has none of its own and shares it.
        assert told(set(mine), of) == f"{mine} 1"
    every = set(range(os.cpu_count()))
    if len(every) > 1:
        of = {"PYTEST_XDIST_WORKER": "gw1", "PYTEST_XDIST_WORKER_COUNT": str(len(every))}
        assert told(every, of) == "[1] 1"
